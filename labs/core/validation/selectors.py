"""Label selectors inside objects; mirrors `ValidateLabelSelector` of apimachinery."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import FieldError, Findings
from labs.core.validation.metadata import check_labels

Object = dict[str, Any]


def validate_label_selector(selector: Object, field: str) -> list[FieldError]:
    """Everything wrong with a selector."""
    found = Findings()
    check_labels(found, f"{field}.matchLabels", selector.get("matchLabels") or {})
    for index, requirement in enumerate(selector.get("matchExpressions") or []):
        here, values = f"{field}.matchExpressions[{index}]", requirement.get("values") or []
        match requirement.get("operator"):
            case "In" | "NotIn":
                if not values:
                    found.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            case "Exists" | "DoesNotExist":
                if values:
                    why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    found.forbidden(f"{here}.values", why)
            case operator:
                found.invalid(f"{here}.operator", operator or "", "not a valid selector operator")
        found.qualified_name(f"{here}.key", requirement.get("key", ""))
        for position, value in enumerate(values):
            found.faults(f"{here}.values[{position}]", value, names.label_value_faults(value))
    return found


def is_empty(selector: Object) -> bool:
    """Whether a selector says nothing at all."""
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether labels are selected."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(requirement, labels) for requirement in selector.get("matchExpressions") or []
    )


def _holds(requirement: Object, labels: dict[str, str]) -> bool:
    key, values = requirement.get("key", ""), requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
    return key not in labels
