"""Where a DaemonSet's pods should be: nodes and pods in, pods to make and to remove out.

Mirrors `pkg/controller/daemon/daemon_controller.go` (`podsShouldBeOnNode`) and `util/daemonset_util.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime

from labs.controlplane.helpers.nodeaffinity import admits
from labs.controlplane.helpers.taints import untolerated

from ..objects import Object, annotation, created, is_going, scaled_value
from ..pods import is_available, is_ready, node_name, phase

GENERATION = "deprecated.daemonset.template.generation"
HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)


@dataclass
class Plan:
    """What to do next: nodes that get a pod, pods that go, and failed or finished ones to tell of."""

    create_on: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)
    succeeded: list[Object] = field(default_factory=list)


# -- the pod for a node
def pod_template(daemon_set: Object, hash_: str) -> Object:
    """The template of the DaemonSet's pods: with the tolerations and labels that all of them have."""
    template: Object = deepcopy(daemon_set["spec"]["template"])
    spec = template["spec"]
    wanted = list(_TOLERATED)
    if spec.get("hostNetwork"):
        wanted.append(("network-unavailable", "NoSchedule"))
    for name, effect in wanted:
        toleration = {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
        tolerations = spec.setdefault("tolerations", [])
        same = [i for i, t in enumerate(tolerations)
                if (t.get("key"), t.get("effect"), t.get("operator"), t.get("value", ""))
                == (toleration["key"], effect, "Exists", "")]  # fmt: skip
        if same:
            tolerations[same[0]] = toleration
        else:
            tolerations.append(toleration)
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), HASH_LABEL: hash_}
    if generation := annotation(daemon_set, GENERATION):
        metadata["labels"][GENERATION_LABEL] = generation
    return template


def bound_to(template: Object, node: str) -> Object:
    """The template with an affinity for one node only, which leaves the scheduler no choice."""
    template = deepcopy(template)
    only = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = template["spec"].setdefault("affinity", {}).setdefault("nodeAffinity", {})
    required = affinity.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms") or [{}]
    required["nodeSelectorTerms"] = [{**term, "matchFields": [only]} for term in terms]
    return template


def should_run(template: Object, node: Object) -> tuple[bool, bool]:
    """Whether a node should get a pod, and whether one that is there may stay."""
    spec = template["spec"]
    name = node["metadata"]["name"]
    if spec.get("nodeName") not in (None, "", name) or not admits(spec, node):
        return False, False
    taints = node["spec"].get("taints") or []
    tolerations = spec.get("tolerations") or []
    if untolerated(taints, tolerations, ("NoSchedule", "NoExecute")):
        return False, not untolerated(taints, tolerations, ("NoExecute",))
    return True, True


# -- pods and nodes
def by_node(pods: Sequence[Object]) -> dict[str, list[Object]]:
    """Pods by the node they are on, or are meant for."""
    result: dict[str, list[Object]] = {}
    for pod in pods:
        if name := target_node(pod):
            result.setdefault(name, []).append(pod)
    return result


def target_node(pod: Object) -> str:
    """The node that a pod is bound to, or by its affinity will be."""
    if name := node_name(pod):
        return name
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or []:
        for expression in term.get("matchFields") or []:
            if expression["key"] == "metadata.name" and expression["operator"] == "In":
                return str(expression["values"][0])
    return ""


def is_updated(pod: Object, daemon_set: Object, hash_: str) -> bool:
    """Whether a pod is of the present template."""
    labels = pod["metadata"].get("labels") or {}
    generation = annotation(daemon_set, GENERATION)
    return labels.get(HASH_LABEL) == hash_ or (
        bool(generation) and labels.get(GENERATION_LABEL) == generation
    )


def plan(
    daemon_set: Object,
    template: Object,
    nodes: Sequence[Object],
    pods: Mapping[str, Sequence[Object]],
    hash_: str,
    now: datetime,
) -> Plan:
    """Bring pods to where they should be, whatever their revision."""
    result = Plan()
    surge = max_surge(daemon_set, nodes, template) > 0
    seconds = int(daemon_set["spec"].get("minReadySeconds", 0))
    for node in nodes:
        name = node["metadata"]["name"]
        here = pods.get(name, ())
        run, may_stay = should_run(template, node)
        if run and not here:
            result.create_on.append(name)
        elif may_stay:
            running = []
            for pod in here:
                if is_going(pod):
                    continue
                if phase(pod) == "Failed":
                    result.failed.append(pod)
                elif phase(pod) == "Succeeded":
                    result.succeeded.append(pod)
                else:
                    running.append(pod)
            result.delete += _surplus(daemon_set, running, hash_, seconds, now, surge=surge)
        else:
            result.delete += [pod for pod in here if not is_going(pod)]
    known = {node["metadata"]["name"] for node in nodes}
    # Pods for nodes that are no more will never be scheduled; those that are bound are the pod collector's.
    result.delete += [
        pod
        for name, here in pods.items()
        if name not in known
        for pod in here
        if not node_name(pod) and not is_going(pod)
    ]
    result.delete += result.failed + result.succeeded
    return result


def _surplus(
    daemon_set: Object, running: list[Object], hash_: str, seconds: int, now: datetime, *, surge: bool
) -> list[Object]:
    """Of several pods on a node all but the oldest; while surging, but the oldest of each revision."""
    if len(running) <= 1:
        return []
    running.sort(key=created)
    if not surge:
        return running[1:]
    new = next((pod for pod in running if is_updated(pod, daemon_set, hash_)), None)
    old = next((pod for pod in running if not is_updated(pod, daemon_set, hash_)), None)
    surplus = [pod for pod in running if pod is not new and pod is not old]
    if old is not None and new is not None and (not is_ready(old) or is_available(new, seconds, now)):
        surplus.append(old)
    return surplus


# -- rolling update
def _rolling(daemon_set: Object) -> Object:
    return (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}


def _desired(nodes: Sequence[Object], template: Object) -> int:
    return sum(should_run(template, node)[0] for node in nodes)


def max_surge(daemon_set: Object, nodes: Sequence[Object], template: Object) -> int:
    """How many nodes may have two pods."""
    return scaled_value(_rolling(daemon_set).get("maxSurge", 0), _desired(nodes, template), round_up=True)


def max_unavailable(daemon_set: Object, nodes: Sequence[Object], template: Object) -> int:
    """How many nodes may be without an available pod; one, if nothing could move otherwise."""
    found = scaled_value(
        _rolling(daemon_set).get("maxUnavailable", 1), _desired(nodes, template), round_up=True
    )
    return found if found or max_surge(daemon_set, nodes, template) else 1


def rolling_update(
    daemon_set: Object,
    template: Object,
    nodes: Sequence[Object],
    pods: Mapping[str, Sequence[Object]],
    hash_: str,
    now: datetime,
) -> Plan:
    """The next step from old pods to new ones; call it when all nodes have what `plan` wants."""
    result = Plan()
    surge = max_surge(daemon_set, nodes, template)
    seconds = int(daemon_set["spec"].get("minReadySeconds", 0))
    at_once: list[Object] = []
    candidates: list[Object] = []
    used = 0
    for node in nodes:
        if not should_run(template, node)[0]:
            continue
        here = [pod for pod in pods.get(node["metadata"]["name"], ()) if not is_going(pod)]
        new = [pod for pod in here if is_updated(pod, daemon_set, hash_)]
        old = [pod for pod in here if not is_updated(pod, daemon_set, hash_)]
        if len(new) > 1 or len(old) > 1:
            used += 1
        elif surge == 0:
            if bool(new) == bool(old):
                used += 1
            elif new:
                used += not is_available(new[0], seconds, now)
            else:
                (candidates if is_available(old[0], seconds, now) else at_once).append(old[0])
        elif old and not new:
            (candidates if is_available(old[0], seconds, now) else at_once).append(old[0])
        elif old and new:
            if is_available(new[0], seconds, now):
                result.delete.append(old[0])
            else:
                used += 1
    allowed = surge or max_unavailable(daemon_set, nodes, template)
    chosen = at_once + candidates[: max(allowed - used, 0)]
    if surge:
        result.create_on = [target_node(pod) for pod in chosen]
    else:
        result.delete = chosen
    return result


# -- status
def status(
    daemon_set: Object,
    template: Object,
    nodes: Sequence[Object],
    pods: Mapping[str, Sequence[Object]],
    hash_: str,
    now: datetime,
) -> Object:
    """The counts by node (`updateDaemonSetStatus`)."""
    seconds = int(daemon_set["spec"].get("minReadySeconds", 0))
    desired = current = misscheduled = ready = available = updated = 0
    for node in nodes:
        here = sorted(pods.get(node["metadata"]["name"], ()), key=created)
        if not should_run(template, node)[0]:
            misscheduled += bool(here)
            continue
        desired += 1
        if not here:
            continue
        current += 1
        ready += is_ready(here[0])
        available += is_available(here[0], seconds, now)
        updated += is_updated(here[0], daemon_set, hash_)
    optional = {
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": desired - available,
    }
    result: Object = {
        "currentNumberScheduled": current,
        "numberMisscheduled": misscheduled,
        "desiredNumberScheduled": desired,
        "numberReady": ready,
        "observedGeneration": daemon_set["metadata"].get("generation", 0),
        **{name: count for name, count in optional.items() if count},
    }
    if "collisionCount" in (daemon_set.get("status") or {}):
        result["collisionCount"] = daemon_set["status"]["collisionCount"]
    return result
