"""Limit ranges: bounds and defaults that fit together (`ValidateLimitRange`)."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal
from typing import Any

from labs.core.field import Findings
from labs.core.quantity import quantity_value
from labs.core.validation.resources import check_container_resource, check_resource_name, may_overcommit

Object = dict[str, Any]
Amounts = dict[str, dict[str, str]]
_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_DEFAULTS = ("default", "defaultRequest")
#: What may not be more than what: the one, the other, the field blamed, whose value is shown, and how both
#: are called.
_ORDER = (
    ("min", "max", "min", "min", "min", "max"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min", "default request"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request", "max"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default request", "default limit"),
    ("min", "default", "default", "min", "min", "default"),
    ("default", "max", "default", "max", "default", "max"),
)
#: Beyond it, Go counts no thousandths.
_MAX_MILLI_VALUE = (2**63 - 1) // 1000


def check_limits(found: Findings, path: str, limits: list[Object]) -> None:
    """Each for a type of its own."""
    types: set[str] = set()
    for index, item in enumerate(limits):
        here, kind = f"{path}[{index}]", item.get("type", "")
        _type(found, f"{here}.type", kind)
        if kind in types:
            found.duplicate(f"{here}.type", kind)
        types.add(kind)
        amounts = _amounts(found, here, kind, item)
        for name in dict.fromkeys(name for part in amounts.values() for name in part):
            of_it = {part: given[name] for part, given in amounts.items() if name in given}
            _order(found, here, name, of_it)
            _ratio(found, f"{here}.maxLimitRequestRatio[{name}]", of_it)
            _scarce(found, here, name, of_it)


def _type(found: Findings, path: str, kind: str) -> None:
    before = len(found)
    found.qualified_name(path, kind)
    if len(found) == before and "/" not in kind and kind not in _TYPES:
        found.invalid(path, kind, "must be a standard limit type or fully qualified")


def _amounts(found: Findings, path: str, kind: str, item: Object) -> Amounts:
    """What it tells, by field and resource."""
    parts = ("max", "min", *_DEFAULTS, "maxLimitRequestRatio")
    amounts: Amounts = {part: item.get(part) or {} for part in parts}
    if kind == "Pod":
        for part in _DEFAULTS:
            if amounts.pop(part):
                found.forbidden(f"{path}.{part}", "may not be specified when `type` is 'Pod'")
    if kind == "PersistentVolumeClaim" and "storage" not in {*amounts["min"], *amounts["max"]}:
        why = "either minimum or maximum storage value is required, but neither was provided"
        found.required(f"{path}.limits", why)
    rule = check_container_resource if kind in ("Container", "Pod") else check_resource_name
    for part, given in amounts.items():
        for name in given:
            rule(found, f"{path}.{part}[{name}]", name)
    return amounts


def _order(found: Findings, path: str, name: str, amounts: dict[str, str]) -> None:
    for low, high, blamed, shown, low_word, high_word in _ORDER:
        less, more = amounts.get(low), amounts.get(high)
        if less is not None and more is not None and quantity_value(less) > quantity_value(more):
            why = f"{low_word} value {less} is greater than {high_word} value {more}"
            found.invalid(f"{path}.{blamed}[{name}]", amounts[shown], why)


def _ratio(found: Findings, path: str, amounts: dict[str, str]) -> None:
    ratio = amounts.get("maxLimitRequestRatio")
    if ratio is None:
        return
    if quantity_value(ratio) < 1:
        found.invalid(path, ratio, f"ratio {ratio} is less than 1")
    if "min" not in amounts or "max" not in amounts:
        return
    limit, least, most = (quantity_value(amounts[part]) for part in ("maxLimitRequestRatio", "min", "max"))
    if max(map(_whole, (limit, least, most))) < _MAX_MILLI_VALUE:
        limit, least, most = (_whole(value * 1000) / Decimal(1000) for value in (limit, least, most))
    else:
        limit, least, most = map(_whole, (limit, least, most))
    if least and float(limit) > (highest := float(most) / float(least)):
        found.invalid(path, ratio, f"ratio {ratio} is greater than max/min = {highest:.6f}")


def _whole(value: Decimal) -> Decimal:
    """Rounded as Go's whole numbers are."""
    return value.to_integral_value(ROUND_UP)


def _scarce(found: Findings, path: str, name: str, amounts: dict[str, str]) -> None:
    """Who gets something that there is no more of than is asked for gets what it asks for."""
    limit, request = amounts.get("default"), amounts.get("defaultRequest")
    if may_overcommit(name) or limit is None or request is None:
        return
    if quantity_value(limit) != quantity_value(request):
        why = f"default value {limit} must equal to defaultRequest value {request} in {name}"
        found.invalid(f"{path}.defaultRequest[{name}]", request, why)
