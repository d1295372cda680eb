"""How well a pod is treated when its node runs short (`pkg/apis/core/v1/helper/qos`)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from labs.core.quantity import quantity_value

Object = dict[str, Any]
_COUNTED = ("cpu", "memory")


def qos_class(spec: Object) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`, of a spec with its defaults."""
    requests: dict[str, Decimal] = {}
    limits: dict[str, Decimal] = {}
    limited = True
    for resources in _counted(spec):
        _add(requests, resources.get("requests") or {})
        limited = _add(limits, resources.get("limits") or {}) == set(_COUNTED) and limited
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if limited and requests == limits else "Burstable"


def _counted(spec: Object) -> list[Object]:
    """A pod's own resources if it has some, else its containers'."""
    if own := spec.get("resources"):
        return [own]
    containers = (spec.get("containers") or []) + (spec.get("initContainers") or [])
    return [container.get("resources") or {} for container in containers]


def _add(total: dict[str, Decimal], amounts: dict[str, str]) -> set[str]:
    """Which were more than nothing."""
    counted = {name: quantity_value(amounts[name]) for name in _COUNTED if name in amounts}
    some = {name for name, amount in counted.items() if amount > 0}
    for name in some:
        total[name] = total.get(name, Decimal(0)) + counted[name]
    return some
