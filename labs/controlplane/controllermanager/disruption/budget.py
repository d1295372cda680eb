"""What a budget allows, from its pods and their owners; pure (`pkg/controller/disruption/disruption.go`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ..objects import Object, controller_of, is_going, parse_time, scaled_value, stamp
from ..pods import is_active, is_ready

#: How long an eviction that was allowed may take until the pod is marked as going.
EVICTION_TIMEOUT = timedelta(minutes=2)
ALLOWED = "DisruptionAllowed"

#: The size that a pod's controller wants to have, by the controller's reference; None when it has none.
Scale = Callable[[Object], int | None]


class Unscalable(Exception):
    """A percentage of a number that nobody knows; the message is the one upstream has."""


def expected_pods(budget: Object, pods: Sequence[Object], scale: Scale) -> tuple[int, int]:
    """How many pods there should be, and how many of them healthy. Raises `Unscalable`."""
    spec = budget["spec"]
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most is not None:
        expected = _scaled(pods, scale)
        return expected, max(expected - scaled_value(most, expected, round_up=True), 0)
    if isinstance(least, int):
        return len(pods), least
    if least is not None:
        expected = _scaled(pods, scale)
        return expected, scaled_value(least, expected, round_up=True)
    return 0, 0


def _scaled(pods: Sequence[Object], scale: Scale) -> int:
    """The sum of the sizes of all controllers that the pods have."""
    sizes: dict[str, int] = {}
    for pod in pods:
        owner = controller_of(pod)
        if owner is None:
            continue
        if owner["uid"] not in sizes:
            found = scale(owner)
            if found is None:
                raise Unscalable(f'found no controllers for pod "{pod["metadata"]["name"]}"')
            sizes[owner["uid"]] = found
    if pods and not sizes:
        name = pods[0]["metadata"]["name"]
        raise Unscalable(f'found no controller ref for pod "{name}"')
    return sum(sizes.values())


def status(budget: Object, pods: Sequence[Object], scale: Scale, now: datetime) -> Object:
    """The budget's status. Raises `Unscalable`."""
    pods = [pod for pod in pods if is_active(pod) or is_going(pod)]
    expected, desired = expected_pods(budget, pods, scale)
    disrupted = _still_disrupted(budget, pods, now)
    healthy = sum(
        is_ready(pod) and not is_going(pod) and pod["metadata"]["name"] not in disrupted for pod in pods
    )
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    return _status(budget, expected, desired, healthy, allowed, disrupted, now)


def _still_disrupted(budget: Object, pods: Sequence[Object], now: datetime) -> dict[str, str]:
    """Pods whose eviction was allowed and that are not going yet."""
    there = {pod["metadata"]["name"]: pod for pod in pods}
    before: dict[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    return {
        name: at
        for name, at in before.items()
        if name in there and not is_going(there[name]) and (parse_time(at) or now) + EVICTION_TIMEOUT > now
    }


def _status(
    budget: Object,
    expected: int,
    desired: int,
    healthy: int,
    allowed: int,
    disrupted: dict[str, str],
    now: datetime,
) -> Object:
    generation = budget["metadata"].get("generation", 0)
    reason = "SufficientPods" if allowed else "InsufficientPods"
    old = (budget.get("status") or {}).get("conditions") or []
    result: Object = {
        "conditions": _condition(old, "True" if allowed else "False", reason, "", generation, now),
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": generation,
    }
    return result | ({"disruptedPods": disrupted} if disrupted else {})


def failed(budget: Object, message: str, now: datetime) -> Object:
    """The status of a budget that cannot be worked out: nothing may be disrupted."""
    generation = budget["metadata"].get("generation", 0)
    old = budget.get("status") or {}
    conditions = _condition(old.get("conditions") or [], "False", "SyncFailed", message, generation, now)
    return {**old, "conditions": conditions, "disruptionsAllowed": 0, "observedGeneration": generation}


def _condition(
    old: Sequence[Object], value: str, reason: str, message: str, generation: int, now: datetime
) -> list[Object]:
    before = next((c for c in old if c["type"] == ALLOWED), {})
    since = before["lastTransitionTime"] if before.get("status") == value else stamp(now)
    new = {
        "type": ALLOWED,
        "status": value,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }
    return [*(c for c in old if c["type"] != ALLOWED), new]
