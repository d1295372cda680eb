"""Label selectors inside objects; mirrors `ValidateLabelSelector` of apimachinery."""

from __future__ import annotations

from typing import Any

from ..meta import validate_label_values, validate_labels
from ..status import FieldError, forbidden_field, not_supported, required

Object = dict[str, Any]
_OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")


def validate_label_selector(selector: Object, field: str) -> list[FieldError]:
    """Everything wrong with a selector."""
    errors = validate_labels(selector.get("matchLabels") or {}, f"{field}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions") or []):
        here, values = f"{field}.matchExpressions[{index}]", requirement.get("values") or []
        match requirement.get("operator"):
            case "In" | "NotIn":
                if not values:
                    detail = "must be specified when `operator` is 'In' or 'NotIn'"
                    errors.append(required(f"{here}.values", detail))
            case "Exists" | "DoesNotExist":
                if values:
                    detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    errors.append(forbidden_field(f"{here}.values", detail))
            case operator:
                errors.append(not_supported(f"{here}.operator", operator or "", _OPERATORS))
        errors += validate_labels({requirement.get("key", ""): ""}, f"{here}.key")
        for position, value in enumerate(values):
            errors += validate_label_values([value], f"{here}.values[{position}]")
    return errors


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
