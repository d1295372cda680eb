"""A Deployment's status: its counts, and the conditions Available, Progressing and ReplicaFailure.

Mirrors `pkg/controller/deployment/progress.go` and `sync.go` (`calculateStatus`, `syncRolloutStatus`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..objects import Object, find_condition, parse_time, stamp
from .scaling import actual, available, max_unavailable, size, wanted

Conditions = list[Object]
#: `progressDeadlineSeconds` of a Deployment that has no deadline (`math.MaxInt32`).
NO_DEADLINE = 2**31 - 1

PROGRESSING, AVAILABLE, REPLICA_FAILURE = "Progressing", "Available", "ReplicaFailure"
NEW_AVAILABLE, TIMED_OUT = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"


def has_deadline(deployment: Object) -> bool:
    """Whether progress is watched at all."""
    return int(deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE)) != NO_DEADLINE


def condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    """A condition that came to be so just now."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp(now),
        "lastTransitionTime": stamp(now),
    }


def with_condition(conditions: Sequence[Object], new: Object) -> Conditions:
    """Conditions with one set: the same reason again says nothing new (`SetDeploymentCondition`)."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    if old and (old["status"], old["reason"]) == (new["status"], new["reason"]):
        return list(conditions)
    if old and old["status"] == new["status"]:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    return [*without(conditions, new["type"]), new]


def without(conditions: Sequence[Object], kind: str) -> Conditions:
    """Conditions without the one of that type."""
    return [c for c in conditions if c["type"] != kind]


def calculate(deployment: Object, new: Object | None, all_sets: Sequence[Object], now: datetime) -> Object:
    """The counts, and whether enough pods are available; other conditions stay as they are."""
    old = deployment.get("status") or {}
    is_available = sum(available(rs) for rs in all_sets)
    status: Object = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": sum(actual(rs) for rs in all_sets),
        "updatedReplicas": actual(new) if new else 0,
        "readyReplicas": sum(int((rs.get("status") or {}).get("readyReplicas", 0)) for rs in all_sets),
        "availableReplicas": is_available,
        "unavailableReplicas": max(sum(size(rs) for rs in all_sets) - is_available, 0),
        "terminatingReplicas": sum(
            int((rs.get("status") or {}).get("terminatingReplicas", 0)) for rs in all_sets
        ),
    }
    # The API leaves zeros out, except where it matters that somebody has counted.
    status = {name: value for name, value in status.items() if value or name == "terminatingReplicas"}
    if "collisionCount" in old:
        status["collisionCount"] = old["collisionCount"]
    if is_available >= wanted(deployment) - max_unavailable(deployment):
        found = condition(
            AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now
        )
    else:
        text = "Deployment does not have minimum availability."
        found = condition(AVAILABLE, "False", "MinimumReplicasUnavailable", text, now)
    status["conditions"] = with_condition(old.get("conditions") or [], found)
    return status


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether all pods are there, all of the new template, all available, and no other."""
    replicas = wanted(deployment)
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == replicas for name in counts) and status.get(
        "observedGeneration", 0
    ) >= deployment["metadata"].get("generation", 0)


def is_progressing(deployment: Object, new: Object) -> bool:
    """Whether this status is nearer to the end than the one the Deployment has."""
    old = deployment.get("status") or {}

    def old_pods(status: Object) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    more = any(
        new.get(name, 0) > old.get(name, 0)
        for name in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return more or old_pods(new) < old_pods(old)


def has_timed_out(deployment: Object, status: Object, now: datetime) -> bool:
    """Whether nothing has moved for `progressDeadlineSeconds`."""
    found = find_condition({"status": status}, PROGRESSING)
    if found is None or found["reason"] == NEW_AVAILABLE:
        return False
    if found["reason"] == TIMED_OUT:
        return True
    since = parse_time(found["lastUpdateTime"]) or now
    return since + timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"]) < now


def rollout(deployment: Object, new: Object | None, all_sets: Sequence[Object], now: datetime) -> Object:
    """The status during and after a rollout, with what is to be said of its progress."""
    status = calculate(deployment, new, all_sets, now)
    conditions: Conditions = status["conditions"]
    if not has_deadline(deployment):
        conditions = without(conditions, PROGRESSING)
    current = find_condition(deployment, PROGRESSING)
    done = (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current["reason"] == NEW_AVAILABLE
    )
    if has_deadline(deployment) and not done:
        what = (
            f'ReplicaSet "{new["metadata"]["name"]}"'
            if new
            else f'Deployment "{deployment["metadata"]["name"]}"'
        )
        if is_complete(deployment, status):
            text = f"{what} has successfully progressed."
            conditions = with_condition(conditions, condition(PROGRESSING, "True", NEW_AVAILABLE, text, now))
        elif is_progressing(deployment, status):
            found = condition(PROGRESSING, "True", "ReplicaSetUpdated", f"{what} is progressing.", now)
            if current and current["status"] == "True":
                found["lastTransitionTime"] = current["lastTransitionTime"]
            # Not with_condition: each step of progress moves the deadline.
            conditions = [*without(conditions, PROGRESSING), found]
        elif has_timed_out(deployment, status, now):
            found = condition(PROGRESSING, "False", TIMED_OUT, f"{what} has timed out progressing.", now)
            conditions = with_condition(conditions, found)
    if failure := _failure(new, all_sets):
        text = failure["message"]
        found = {**condition(REPLICA_FAILURE, failure["status"], failure["reason"], text, now)}
        conditions = with_condition(conditions, found)
    else:
        conditions = without(conditions, REPLICA_FAILURE)
    return {**status, "conditions": conditions}


def _failure(new: Object | None, all_sets: Sequence[Object]) -> Object | None:
    """Why pods cannot be made: of the new ReplicaSet, or else of any."""
    ordered = [*([new] if new else []), *all_sets]
    return next((found for rs in ordered if (found := find_condition(rs, REPLICA_FAILURE))), None)


def seconds_to_deadline(deployment: Object, status: Object, now: datetime) -> float | None:
    """When to look again whether the Deployment is stuck; None when there is no need to."""
    found = find_condition({"status": status}, PROGRESSING)
    if found is None or not has_deadline(deployment) or is_complete(deployment, status):
        return None
    if found["reason"] in (NEW_AVAILABLE, TIMED_OUT):
        return None
    end = (parse_time(found["lastUpdateTime"]) or now) + timedelta(
        seconds=deployment["spec"]["progressDeadlineSeconds"]
    )
    return max((end - now).total_seconds(), 0.0) + 1.0


def paused_condition(deployment: Object, now: datetime) -> Object | None:
    """What to say when a rollout was paused or resumed; None when it is said already."""
    if not has_deadline(deployment):
        return None
    current = find_condition(deployment, PROGRESSING)
    if current and current["reason"] == TIMED_OUT:
        return None
    said = current is not None and current["reason"] == "DeploymentPaused"
    paused = bool(deployment["spec"].get("paused"))
    if paused and not said:
        return condition(PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused", now)
    if not paused and said:
        return condition(PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now)
    return None
