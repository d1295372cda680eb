"""How many pods each ReplicaSet of a Deployment should have next; sizes in, sizes out.

Mirrors `pkg/controller/deployment/{rolling,recreate,sync}.go`: a rolling update goes up as far as `maxSurge`
allows, and then down as far as `maxUnavailable` allows, one of the two in each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..objects import Object, annotation, created, scaled_value

_MAXIMUM = "deployment.kubernetes.io/max-replicas"


@dataclass(frozen=True)
class Scale:
    """A ReplicaSet and the size it should have."""

    replica_set: Object
    replicas: int


def wanted(deployment: Object) -> int:
    """The number of pods the Deployment should have."""
    return int(deployment["spec"].get("replicas", 1))


def size(replica_set: Object) -> int:
    """The number of pods a ReplicaSet was told to have."""
    return int(replica_set["spec"].get("replicas", 1))


def available(replica_set: Object) -> int:
    """The number of its pods that are available."""
    return int((replica_set.get("status") or {}).get("availableReplicas", 0))


def actual(replica_set: Object) -> int:
    """The number of its pods that there are."""
    return int((replica_set.get("status") or {}).get("replicas", 0))


# -- bounds
def is_rolling(deployment: Object) -> bool:
    """Whether old and new pods may be there at a time."""
    return bool((deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def _fenceposts(deployment: Object) -> tuple[int, int]:
    """Pods that may be too many and too few; both zero would never get anywhere, so one may be missing."""
    settings = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    replicas = wanted(deployment)
    surge = scaled_value(settings.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = scaled_value(settings.get("maxUnavailable", "25%"), replicas, round_up=False)
    return surge, (1 if surge == 0 and unavailable == 0 else unavailable)


def max_surge(deployment: Object) -> int:
    """How many pods there may be above the wanted number."""
    return _fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    """How many pods may be missing from the wanted number."""
    replicas = wanted(deployment)
    if not is_rolling(deployment) or replicas == 0:
        return 0
    return min(_fenceposts(deployment)[1], replicas)


# -- rolling update
def new_size(deployment: Object, all_sets: Sequence[Object], current: int) -> int:
    """How far the new ReplicaSet, now of size `current`, may go up (`NewRSNewReplicas`)."""
    replicas = wanted(deployment)
    if not is_rolling(deployment):
        return replicas
    room = replicas + max_surge(deployment) - sum(size(rs) for rs in all_sets)
    return current if room <= 0 else current + min(room, replicas - current)


def rolling_step(deployment: Object, new: Object, old: Sequence[Object]) -> list[Scale]:
    """The next step of a rolling update; none when there is nothing to do but wait, or at all."""
    if size(new) != wanted(deployment):
        if size(new) > wanted(deployment):
            return [Scale(new, wanted(deployment))]
        target = new_size(deployment, [*old, new], size(new))
        if target != size(new):
            return [Scale(new, target)]
    return _old_down(deployment, new, old)


def _old_down(deployment: Object, new: Object, old: Sequence[Object]) -> list[Scale]:
    """Old pods that can go: first those that serve nobody, then as many as may be missing."""
    if not sum(size(rs) for rs in old):
        return []
    least = wanted(deployment) - max_unavailable(deployment)
    missing_new = size(new) - available(new)
    can_go = sum(size(rs) for rs in [*old, new]) - least - missing_new
    if can_go <= 0:
        return []
    by_age = sorted(old, key=created)
    sizes = {rs["metadata"]["name"]: size(rs) for rs in by_age}
    left = can_go
    for rs in by_age:
        unhealthy = min(left, sizes[rs["metadata"]["name"]] - available(rs))
        if unhealthy > 0:
            sizes[rs["metadata"]["name"]] -= unhealthy
            left -= unhealthy
    left = sum(available(rs) for rs in [*old, new]) - least
    for rs in by_age:
        healthy = min(max(left, 0), sizes[rs["metadata"]["name"]])
        sizes[rs["metadata"]["name"]] -= healthy
        left -= healthy
    return [
        Scale(rs, sizes[rs["metadata"]["name"]]) for rs in by_age if sizes[rs["metadata"]["name"]] != size(rs)
    ]


# -- recreate
def all_down(old: Sequence[Object]) -> list[Scale]:
    """Every old ReplicaSet to nothing."""
    return [Scale(rs, 0) for rs in old if size(rs)]


# -- a change of size, in the midst of a rollout or while paused
def resized(deployment: Object, new: Object | None, old: Sequence[Object]) -> list[Scale]:
    """Sizes after the Deployment's own changed: in proportion, where several ReplicaSets have pods."""
    everything = [*old, *([new] if new else [])]
    active = [rs for rs in everything if size(rs)]
    if len(active) <= 1:
        latest = new or max(old, key=created, default=None)
        only = active[0] if active else latest
        return [] if only is None or size(only) == wanted(deployment) else [Scale(only, wanted(deployment))]
    if new is not None and _is_saturated(deployment, new):
        return all_down(old)
    return _proportional(deployment, active) if is_rolling(deployment) else []


def _is_saturated(deployment: Object, new: Object) -> bool:
    """Whether the new ReplicaSet alone is all that the Deployment wants."""
    desired = annotation(new, "deployment.kubernetes.io/desired-replicas")
    replicas = wanted(deployment)
    return size(new) == replicas and desired == str(replicas) and available(new) == replicas


def _proportional(deployment: Object, active: Sequence[Object]) -> list[Scale]:
    replicas = wanted(deployment)
    allowed = replicas + max_surge(deployment) if replicas else 0
    to_add = allowed - sum(size(rs) for rs in active)
    # The larger first; of two alike, the newer grows and the older shrinks first.
    order = sorted(active, key=created, reverse=to_add > 0)
    order.sort(key=size, reverse=True)
    added, sizes = 0, []
    for rs in order:
        part = _share(deployment, rs)
        left = to_add - added
        share = 0 if left == 0 else (min(part, left) if to_add > 0 else max(part, left))
        sizes.append(size(rs) + share)
        added += share
    if to_add:
        sizes[0] = max(sizes[0] + to_add - added, 0)
    return [Scale(rs, target) for rs, target in zip(order, sizes, strict=True)]


def _share(deployment: Object, replica_set: Object) -> int:
    """How many of the pods to come (or to go) are this ReplicaSet's, by its share before the change."""
    if wanted(deployment) == 0:
        return -size(replica_set)
    status = deployment.get("status") or {}
    before = int(annotation(replica_set, _MAXIMUM) or 0) or int(status.get("replicas", 0))
    if before == 0:
        return 0
    after = Fraction(size(replica_set) * (wanted(deployment) + max_surge(deployment)), before)
    return int(after + Fraction(1, 2)) - size(replica_set)
