"""Numbers and percentages in objects, in the words of `pkg/apis/{apps,core}/validation`."""

from __future__ import annotations

import re
from typing import Any

from labs.core.field import FieldError, invalid

Object = dict[str, Any]
NOT_NEGATIVE = "must be greater than or equal to 0"
PERCENT_RULE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex "
    "used for validation is '[0-9]+%')"
)


def not_negative(obj: Object, field: str, *parts: str) -> list[FieldError]:
    """Those of the named parts that are given may not be below zero."""
    return [
        invalid(f"{field}.{part}", obj[part], NOT_NEGATIVE)
        for part in parts
        if obj.get(part) is not None and obj[part] < 0
    ]


def int_or_percent(value: int | str | None, field: str, *, limited: bool = False) -> list[FieldError]:
    """A number that is not negative, or a percentage; `limited` to 100 %."""
    if value is None:
        return []
    if isinstance(value, int):
        return [] if value >= 0 else [invalid(field, value, NOT_NEGATIVE)]
    if not re.fullmatch(r"[0-9]+%", value):
        return [invalid(field, value, PERCENT_RULE)]
    if limited and int(value[:-1]) > 100:
        return [invalid(field, value, "must not be greater than 100%")]
    return []
