"""What a pod asks for as a whole (`component-helpers/resource`, `PodRequests`)."""

from __future__ import annotations

import math
from typing import Any

from labs.core.quantity import milli, quantity_value

Object = dict[str, Any]
#: Resource name to amount: cpu in thousandths, everything else in whole units.
Amounts = dict[str, int]
#: For scoring, a container that asks for none is taken to need this much.
DEFAULT_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024


def amounts(resources: Object | None) -> Amounts:
    """A ResourceList in numbers."""
    return {
        name: milli(text) if name == "cpu" else math.ceil(quantity_value(text))
        for name, text in (resources or {}).items()
    }


def requests(pod: Object) -> Amounts:
    """The sum of the containers, or the most that an init container needs; overhead included."""
    return _total(pod, lambda container: amounts((container.get("resources") or {}).get("requests")))


def non_zero_requests(pod: Object) -> Amounts:
    """`requests`, with the defaults for containers that name no cpu or memory."""

    def of(container: Object) -> Amounts:
        asked = amounts((container.get("resources") or {}).get("requests"))
        return {"cpu": DEFAULT_CPU, "memory": DEFAULT_MEMORY, **asked}

    return _total(pod, of)


def _total(pod: Object, of: Any) -> Amounts:
    spec = pod["spec"]
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, of(container))
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.get("initContainers") or ():
        asked = of(container)
        if container.get("restartPolicy") == "Always":
            _add(total, asked)
            _add(sidecars, asked)
            _raise(most, sidecars)
        else:
            together = dict(sidecars)
            _add(together, asked)
            _raise(most, together)
    _raise(total, most)
    pod_level = amounts((spec.get("resources") or {}).get("requests"))
    total |= pod_level
    _add(total, amounts(spec.get("overhead")))
    return total


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise(total: Amounts, least: Amounts) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)
