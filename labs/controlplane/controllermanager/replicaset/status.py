"""A ReplicaSet's status (`pkg/controller/replicaset/replica_set_utils.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..objects import Object, find_condition, is_going, stamp
from ..pods import available_in, is_active, is_available, is_finished, is_ready

REPLICA_FAILURE = "ReplicaFailure"


def calculate(
    replica_set: Object, pods: Sequence[Object], failure: str, missing: int, now: datetime
) -> Object:
    """Counts of the ReplicaSet's own `pods`; `failure` says why the last pods could not be made or removed,
    and `missing` (positive: too few pods) which of the two it was."""
    spec, old = replica_set["spec"], replica_set.get("status") or {}
    active = [pod for pod in pods if is_active(pod)]
    wanted_labels = ((spec["template"].get("metadata") or {}).get("labels") or {}).items()
    seconds = int(spec.get("minReadySeconds", 0))
    counts = {
        "fullyLabeledReplicas": sum(
            wanted_labels <= (pod["metadata"].get("labels") or {}).items() for pod in active
        ),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum(is_available(pod, seconds, now) for pod in active),
    }
    status: Object = {
        "replicas": len(active),
        **{name: count for name, count in counts.items() if count},
        "terminatingReplicas": sum(is_going(pod) and not is_finished(pod) for pod in pods),
        "observedGeneration": replica_set["metadata"].get("generation", 0),
    }
    conditions = [c for c in old.get("conditions") or [] if c["type"] != REPLICA_FAILURE]
    if failure:
        standing = find_condition(replica_set, REPLICA_FAILURE)
        conditions.append(
            standing or _failed("FailedCreate" if missing > 0 else "FailedDelete", failure, now)
        )
    if conditions:
        status["conditions"] = conditions
    return status


def _failed(reason: str, message: str, now: datetime) -> Object:
    return {
        "type": REPLICA_FAILURE,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": stamp(now),
    }


def next_available(replica_set: Object, pods: Sequence[Object], now: datetime) -> float | None:
    """In how many seconds the next ready pod becomes available."""
    seconds = int(replica_set["spec"].get("minReadySeconds", 0))
    waits = [available_in(pod, seconds, now) for pod in pods if is_active(pod)]
    return min((wait.total_seconds() for wait in waits if wait), default=None)
