"""Runtime classes: who runs pods, what that costs and where (`ValidateRuntimeClass`)."""

from __future__ import annotations

from typing import Any

from labs.core.field import Findings
from labs.core.validation.metadata import check_labels
from labs.core.validation.resources import check_overhead
from labs.core.validation.scheduling import check_tolerations

Object = dict[str, Any]
_TOLERATION = ("key", "operator", "value", "effect")


def check_runtime_class(found: Findings, obj: Object) -> None:
    """Everything but its metadata."""
    found.required_label("handler", obj.get("handler", ""))
    check_overhead(found, "overhead", (obj.get("overhead") or {}).get("podFixed") or {})
    scheduling = obj.get("scheduling") or {}
    check_labels(found, "scheduling.nodeSelector", scheduling.get("nodeSelector") or {})
    tolerations = scheduling.get("tolerations") or []
    check_tolerations(found, "scheduling.tolerations", tolerations)
    known: set[tuple[str, ...]] = set()
    for index, toleration in enumerate(tolerations):
        key = tuple(toleration.get(part, "") for part in _TOLERATION)
        if key in known:
            found.duplicate(f"scheduling.tolerations[{index}]", _go(toleration))
        known.add(key)


def _go(toleration: Object) -> Object:
    """A toleration as Go shows the structure."""
    shown = {part.capitalize(): toleration.get(part, "") for part in _TOLERATION}
    return {**shown, "TolerationSeconds": toleration.get("tolerationSeconds")}
