"""Which taints a pod tolerates, and for how long (`component-helpers/scheduling/corev1/helpers.go`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Object = dict[str, Any]
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether this toleration is for this taint."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")
    return False


def untolerated(
    taints: Iterable[Object], tolerations: Sequence[Object], effects: Sequence[str]
) -> list[Object]:
    """The taints with one of the effects that no toleration is for."""
    return [
        taint
        for taint in taints
        if taint["effect"] in effects and not any(tolerates(t, taint) for t in tolerations)
    ]


def toleration_seconds(taints: Sequence[Object], tolerations: Sequence[Object]) -> float | None:
    """How long a pod may stay on a node with these NoExecute taints: None for ever, 0 not at all."""
    limits = []
    for taint in taints:
        matching = [t for t in tolerations if tolerates(t, taint)]
        if not matching:
            return 0.0
        limits += [
            max(float(t["tolerationSeconds"]), 0.0)
            for t in matching
            if t.get("tolerationSeconds") is not None
        ]
    return min(limits, default=None)
