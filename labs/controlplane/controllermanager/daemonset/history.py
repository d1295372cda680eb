"""A DaemonSet's templates, kept as ControllerRevisions (`pkg/controller/daemon/update.go`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..objects import Object, controller_reference, template_hash
from .placement import HASH_LABEL


def patch_of(daemon_set: Object) -> Object:
    """What a revision remembers: the template, as a patch that puts it back."""
    return {"spec": {"template": {**daemon_set["spec"]["template"], "$patch": "replace"}}}


def find_current(daemon_set: Object, revisions: Iterable[Object]) -> list[Object]:
    """The revisions of the present template, the newest last; more than one only by accident."""
    data = patch_of(daemon_set)
    return sorted((r for r in revisions if r.get("data") == data), key=lambda r: int(r["revision"]))


def new_revision(daemon_set: Object, number: int, collisions: int | None) -> Object:
    """The revision to make for the present template."""
    template = daemon_set["spec"]["template"]
    hash_ = template_hash(template, collisions)
    metadata = daemon_set["metadata"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{metadata['name']}-{hash_}",
            "namespace": metadata["namespace"],
            "labels": {**labels, HASH_LABEL: hash_},
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [controller_reference(daemon_set, "apps/v1", "DaemonSet")],
        },
        "data": patch_of(daemon_set),
        "revision": number,
    }


def next_number(revisions: Iterable[Object]) -> int:
    """What comes after all these."""
    return max((int(r["revision"]) for r in revisions), default=0) + 1


def hash_of(revision: Object) -> str:
    """The hash that pods of a revision are labelled with."""
    return str((revision["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def to_forget(daemon_set: Object, old: Sequence[Object], pods: Iterable[Object]) -> list[Object]:
    """Old revisions beyond `revisionHistoryLimit` that no pod is of, the oldest first."""
    alive = {(pod["metadata"].get("labels") or {}).get(HASH_LABEL) for pod in pods}
    unused = sorted((r for r in old if hash_of(r) not in alive), key=lambda r: int(r["revision"]))
    limit = int(daemon_set["spec"].get("revisionHistoryLimit", 10))
    return unused[: max(len(old) - limit, 0)]
