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
        operator = requirement.get("operator", "")
        if not check_values(found, f"{here}.values", operator, values):
            found.invalid(f"{here}.operator", operator, "not a valid selector operator")
        found.qualified_name(f"{here}.key", requirement.get("key", ""))
        for position, value in enumerate(values):
            found.faults(f"{here}.values[{position}]", value, names.label_value_faults(value))
    return found


def check_values(found: Findings, path: str, operator: str, values: list[str]) -> bool:
    """As many as the operator wants; False for one that labels are not selected by."""
    if operator in ("In", "NotIn"):
        if not values:
            found.required(path, "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            found.forbidden(path, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    else:
        return False
    return True
