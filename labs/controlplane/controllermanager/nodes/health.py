"""What a node's conditions and heartbeats say of it; pure (`pkg/controller/nodelifecycle`)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from enum import Enum

from labs.controlplane.helpers.taints import NOT_READY, UNREACHABLE

from ..objects import Object, find_condition, stamp

#: The conditions that a node that is not heard of is not known to have, `Ready` first.
_HEARD_OF = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
NEVER_UPDATED = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
NOT_HEARD_OF = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
#: Which taint keeps new pods away from a node in which condition (`nodeConditionToTaintKeyStatusMap`).
_KEEP_AWAY = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_CONTROLLED = frozenset((*_KEEP_AWAY.values(), UNSCHEDULABLE))


class Zone(Enum):
    """How many of the nodes are well."""

    NORMAL = "Normal"
    PARTIAL = "PartialDisruption"
    FULL = "FullDisruption"


def ready_status(node: Object) -> str:
    """`True`, `False` or `Unknown`; what never said is unknown."""
    condition = find_condition(node, "Ready")
    return str(condition["status"]) if condition else "Unknown"


def not_heard_of(node: Object, now: datetime) -> Object:
    """The status of a node that has been silent for too long."""
    status: Object = deepcopy(node.get("status") or {})
    conditions = status.setdefault("conditions", [])
    for kind in _HEARD_OF:
        found = next((c for c in conditions if c["type"] == kind), None)
        if found is None:
            reason, message = NEVER_UPDATED
            heard = node["metadata"].get("creationTimestamp")
            conditions.append(
                {
                    "type": kind,
                    "status": "Unknown",
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": heard,
                    "lastTransitionTime": stamp(now),
                }
            )
        elif found["status"] != "Unknown":
            reason, message = NOT_HEARD_OF
            found |= {
                "status": "Unknown",
                "reason": reason,
                "message": message,
                "lastTransitionTime": stamp(now),
            }
    return status


def with_schedule_taints(node: Object, now: datetime) -> list[Object]:
    """The node's taints, with those that its conditions call for and without those they no longer do."""
    taints: list[Object] = node["spec"].get("taints") or []
    conditions = (node.get("status") or {}).get("conditions") or []
    wanted = {_KEEP_AWAY[pair] for c in conditions if (pair := (c["type"], c["status"])) in _KEEP_AWAY}
    if node["spec"].get("unschedulable"):
        wanted.add(UNSCHEDULABLE)
    kept = [t for t in taints if t["effect"] != "NoSchedule" or t["key"] not in _CONTROLLED - wanted]
    there = {t["key"] for t in kept if t["effect"] == "NoSchedule"}
    new = [key for key in (*_KEEP_AWAY.values(), UNSCHEDULABLE) if key in wanted - there]
    return kept + [{"key": key, "effect": "NoSchedule", "timeAdded": stamp(now)} for key in new]


def with_execute_taint(node: Object, now: datetime, *, evict: bool) -> list[Object]:
    """The node's taints, with the one that drives pods out of a node that is not well, if they are to go."""
    taints: list[Object] = node["spec"].get("taints") or []
    wanted = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready_status(node)) if evict else None
    kept = [
        t
        for t in taints
        if t["effect"] != "NoExecute" or t["key"] not in (NOT_READY, UNREACHABLE) or t["key"] == wanted
    ]
    if wanted is None or any(t["key"] == wanted and t["effect"] == "NoExecute" for t in kept):
        return kept
    return [*kept, {"key": wanted, "effect": "NoExecute", "timeAdded": stamp(now)}]


def zone_state(nodes: Sequence[Object]) -> Zone:
    """Whether so many nodes are unwell that it must be the network (`ComputeZoneState`)."""
    unwell = sum(ready_status(node) != "True" for node in nodes)
    if unwell and unwell == len(nodes):
        return Zone.FULL
    return Zone.PARTIAL if unwell > 2 and unwell / len(nodes) >= 0.55 else Zone.NORMAL
