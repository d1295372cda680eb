"""Label and field selectors: `app=web,tier in (a,b),!x` and `spec.nodeName=n,status.phase!=Failed`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import status
from .resources import Resource

Predicate = Callable[[dict[str, Any]], bool]
_SET_BASED = re.compile(r"(\S+?)\s+(in|notin)\s*\(([^()]*)\)")
_EQUALITY = re.compile(r"([^!=\s]+)\s*(==|!=|=)\s*([^!=\s]*)")
_COMPARISON = re.compile(r"([^<>\s]+)\s*([<>])\s*(-?\d+)")
_KEY = re.compile(r"(!?)\s*([A-Za-z0-9][-A-Za-z0-9_./]*)")


def label_selector(text: str) -> Predicate | None:
    """A test of an object's labels; None when everything passes. Raises a 400 for what cannot be read."""
    tests = [_label_requirement(part.strip()) for part in _split(text) if part.strip()]
    if not tests:
        return None
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _split(text: str) -> list[str]:
    return re.split(r",(?![^()]*\))", text)


def _label_requirement(part: str) -> Callable[[dict[str, str]], bool]:
    if match := _SET_BASED.fullmatch(part):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUALITY.fullmatch(part):
        key, operator, value = match.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _COMPARISON.fullmatch(part):
        key, operator, number = match.groups()
        return lambda labels: _compare(labels.get(key, ""), operator, int(number))
    if match := _KEY.fullmatch(part):
        negated, key = match.groups()
        return lambda labels: (key not in labels) if negated else (key in labels)
    raise status.bad_request(f"unable to parse requirement: found '{part}', expected: identifier")


def _compare(text: str, operator: str, number: int) -> bool:
    try:
        value = int(text)
    except ValueError:
        return False
    return value > number if operator == ">" else value < number


def field_selector(text: str, resource: Resource) -> Predicate | None:
    """A test of the fields that the kind offers for it; None when everything passes."""
    tests: list[Predicate] = []
    for part in text.split(","):
        if not part:
            continue
        match = re.fullmatch(r"([^=!]+)(==|!=|=)(.*)", part)
        if match is None:
            raise status.bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        field, operator, value = match.groups()
        if field not in ("metadata.name", "metadata.namespace", *resource.selectable):
            raise status.bad_request(_unsupported(field, resource))
        tests.append(_field_test(field, value, equal=operator != "!="))
    return (lambda obj: all(test(obj) for test in tests)) if tests else None


def _unsupported(field: str, resource: Resource) -> str:
    """Kinds with labels of their own say it in their own words."""
    if resource.selectable:
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _field_test(field: str, value: str, *, equal: bool) -> Predicate:
    path = field.split(".")
    return lambda obj: (_field(obj, path) == value) is equal


def _field(obj: dict[str, Any], path: list[str]) -> str:
    if path == ["source"]:
        source = obj.get("source") or {}
        return str(source.get("component") or obj.get("reportingComponent") or "")
    value: Any = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None and path[-1] in ("hostNetwork", "unschedulable"):
        return "false"
    return "" if value is None else str(value)
