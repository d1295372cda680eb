"""Label selectors as objects (`LabelSelectorAsSelector`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def is_empty(selector: Object) -> bool:
    """Whether a selector says nothing at all."""
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def selects(selector: Object | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a label selector selects these labels; no selector selects nothing, an empty one all."""
    if selector is None:
        return False
    labels = labels or {}
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(requirement, labels) for requirement in selector.get("matchExpressions") or [])


def _holds(requirement: Object, labels: Mapping[str, str]) -> bool:
    key, values = requirement.get("key", ""), requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
