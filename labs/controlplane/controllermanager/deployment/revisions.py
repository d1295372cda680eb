"""Which ReplicaSet of a Deployment is the new one, and the revision each of them was.

Mirrors `pkg/controller/deployment/util/deployment_util.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy

from ..objects import Object, annotation, controller_reference, created, is_going, template_hash
from .scaling import max_surge, wanted

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
#: A ReplicaSet has these of itself, not from its Deployment.
_OWN_ANNOTATIONS = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
    )
)


def revision_of(obj: Object) -> int:
    """The revision an object is annotated with; 0 when with none, or with nonsense."""
    try:
        return int(annotation(obj, REVISION) or 0)
    except ValueError:
        return 0


def find_new(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The ReplicaSet of the Deployment's present template; the oldest, should there be several."""
    wanted_template = _comparable(deployment["spec"]["template"])
    same = (rs for rs in replica_sets if _comparable(rs["spec"]["template"]) == wanted_template)
    return min(same, key=created, default=None)


def _comparable(template: Object) -> Object:
    """A template without the hash that tells its ReplicaSet's pods from others."""
    metadata = {**(template.get("metadata") or {})}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    metadata = {k: v for k, v in metadata.items() if v is not None} | {"labels": labels}
    return {**template, "metadata": metadata}


def next_revision(old: Iterable[Object]) -> str:
    """What comes after the revisions of all these."""
    return str(max((revision_of(rs) for rs in old), default=0) + 1)


def new_replica_set(deployment: Object, replicas: int, revision: str) -> Object:
    """The ReplicaSet to create for the present template."""
    spec, metadata = deployment["spec"], deployment["metadata"]
    hash_ = template_hash(spec["template"], (deployment.get("status") or {}).get("collisionCount"))
    template = deepcopy(spec["template"])
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: hash_}
    template["metadata"] = {**(template.get("metadata") or {}), "labels": labels}
    selector = deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: hash_}
    result: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{hash_}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [controller_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        result["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    annotate_new(deployment, result, revision, exists=False)
    return result


def annotate_new(deployment: Object, replica_set: Object, revision: str, *, exists: bool) -> bool:
    """Give the new ReplicaSet its annotations; True when that changed any.

    One that had another revision before is being rolled back to, and keeps its old revisions as history.
    """
    annotations = dict(replica_set["metadata"].get("annotations") or {})
    before = dict(annotations)
    ours = deployment["metadata"].get("annotations") or {}
    annotations |= {name: value for name, value in ours.items() if name not in _OWN_ANNOTATIONS}
    old = annotations.get(REVISION, "")
    if revision_of(replica_set) < int(revision):
        annotations[REVISION] = revision
        if old:
            history = annotations.get(HISTORY, "")
            annotations[HISTORY] = f"{history},{old}" if history else old
    if not exists:
        annotations |= scale_annotations(deployment)
    replica_set["metadata"]["annotations"] = annotations
    return annotations != before


def scale_annotations(deployment: Object) -> dict[str, str]:
    """What a ReplicaSet carries of its Deployment's size, to know a change of it from a rollout."""
    size = wanted(deployment)
    return {DESIRED: str(size), MAXIMUM: str(size + max_surge(deployment))}


def is_scaling_event(deployment: Object, replica_sets: Iterable[Object]) -> bool:
    """Whether the Deployment's size changed since its active ReplicaSets were last scaled."""
    desired = str(wanted(deployment))
    return any(
        annotation(rs, DESIRED) not in ("", desired) for rs in replica_sets if rs["spec"].get("replicas", 1)
    )


def to_forget(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """Old ReplicaSets beyond `revisionHistoryLimit`, the oldest first; those with pods stay."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    alive = sorted((rs for rs in old if not is_going(rs)), key=lambda rs: (revision_of(rs), created(rs)))
    surplus = alive[: max(len(alive) - limit, 0)]
    return [rs for rs in surplus if _is_empty(rs)]


def _is_empty(replica_set: Object) -> bool:
    status = replica_set.get("status") or {}
    observed = status.get("observedGeneration", 0) >= replica_set["metadata"].get("generation", 0)
    return not replica_set["spec"].get("replicas", 1) and not status.get("replicas", 0) and observed
