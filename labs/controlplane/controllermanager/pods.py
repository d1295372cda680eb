"""What a pod's status means to the controllers that count and replace pods.

Mirrors `pkg/api/v1/pod/util.go` (ready, available) and `pkg/controller/controller_utils.go`
(`FilterActivePods`, `ActivePodsWithRanks`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key

from .objects import Object, annotation, find_condition, is_going, parse_time, uid_of

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_NEVER = datetime.min.replace(tzinfo=UTC)
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase(pod: Object) -> str:
    """Where the pod is in its life."""
    return str((pod.get("status") or {}).get("phase", ""))


def node_name(pod: Object) -> str:
    """The node it is bound to, or ""."""
    return str(pod["spec"].get("nodeName", ""))


def is_finished(pod: Object) -> bool:
    """Whether it will never run again."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether it counts among its owner's replicas."""
    return not is_finished(pod) and not is_going(pod)


def is_ready(pod: Object) -> bool:
    """Whether its Ready condition is true."""
    condition = find_condition(pod, "Ready")
    return condition is not None and condition["status"] == "True"


def ready_since(pod: Object) -> datetime:
    """Since when it is ready; the beginning of time when it is not."""
    condition = find_condition(pod, "Ready")
    if condition is None or condition["status"] != "True":
        return _NEVER
    return parse_time(condition.get("lastTransitionTime")) or _NEVER


def available_in(pod: Object, min_ready_seconds: int, now: datetime) -> timedelta | None:
    """How long it must stay ready to be available: zero when it is, None when it is not even ready."""
    if not is_ready(pod):
        return None
    if min_ready_seconds == 0:
        return timedelta(0)
    return max(ready_since(pod) + timedelta(seconds=min_ready_seconds) - now, timedelta(0))


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Whether it has been ready for long enough."""
    return available_in(pod, min_ready_seconds, now) == timedelta(0)


def in_order_of_deletion(pods: Sequence[Object], related: Iterable[Object], now: datetime) -> list[Object]:
    """Pods in the order in which a ReplicaSet gives them up when it has too many.

    Of two pods alike, the one on the node with more `related` pods goes first.
    """
    crowd = Counter(node_name(pod) for pod in related if is_active(pod))

    def compare(a: Object, b: Object) -> int:
        return _compare(a, b, crowd, now)

    return sorted(pods, key=cmp_to_key(compare))


def _compare(a: Object, b: Object, crowd: Counter[str], now: datetime) -> int:
    for first, second in (
        (bool(node_name(a)), bool(node_name(b))),  # unassigned before assigned
        (_PHASES.get(phase(a), 0), _PHASES.get(phase(b), 0)),
        (is_ready(a), is_ready(b)),
        (_cost(a), _cost(b)),
        (-crowd[node_name(a)], -crowd[node_name(b)]),
    ):
        if first != second:
            return -1 if first < second else 1
    if is_ready(a) and is_ready(b) and ready_since(a) != ready_since(b):
        return _by_age(a, ready_since(a), b, ready_since(b), now)
    if (difference := _restarts(b) - _restarts(a)) != 0:
        return difference
    age_a, age_b = _created(a), _created(b)
    return _by_age(a, age_a, b, age_b, now) if age_a != age_b else 0


def _by_age(a: Object, since_a: datetime, b: Object, since_b: datetime, now: datetime) -> int:
    """The younger one first, ages compared by their order of magnitude (`logarithmicRankDiff`)."""
    if _NEVER in (since_a, since_b):
        return 1 if since_b == _NEVER else -1
    ranks = [math.floor(math.log2(seconds)) if seconds > 0 else -1
             for seconds in (int((now - since).total_seconds()) for since in (since_a, since_b))]  # fmt: skip
    if ranks[0] != ranks[1]:
        return ranks[0] - ranks[1]
    return -1 if uid_of(a) < uid_of(b) else 1


def _cost(pod: Object) -> int:
    try:
        return int(annotation(pod, DELETION_COST) or 0)
    except ValueError:
        return 0


def _restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return max((int(status.get("restartCount", 0)) for status in statuses), default=0)


def _created(pod: Object) -> datetime:
    return parse_time(pod["metadata"].get("creationTimestamp")) or _NEVER
