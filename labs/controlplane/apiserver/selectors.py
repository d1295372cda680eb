"""Which objects a request selects, by their labels and by the fields that their kind offers for it.

Field selectors (`spec.nodeName=n,status.phase!=Failed`) follow `k8s.io/apimachinery/pkg/fields/selector.go`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import label_selectors, status
from .resources import Resource

Predicate = Callable[[dict[str, Any]], bool]
_TERMS = re.compile(r"((?:[^\\,]|\\.)*\\?)(?:,|$)", re.DOTALL)
_TERM = re.compile(r"(.*?)(!=|==|=)(.*)", re.DOTALL)


def label_selector(text: str) -> Predicate | None:
    """A test of an object's labels; None when everything passes. Raises a 400 for what cannot be read."""
    try:
        tests = label_selectors.parse(text)
    except label_selectors.SelectorError as error:
        raise status.bad_request(str(error)) from error
    if not tests:
        return None
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def field_selector(text: str, resource: Resource) -> Predicate | None:
    """A test of the fields that the kind offers for it; None when everything passes. Raises a 400."""
    tests: list[Predicate] = []
    for part in _TERMS.findall(text):
        if not part:
            continue
        match = _TERM.fullmatch(part)
        if match is None:
            raise status.bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, value = match[1], match[2], _unescaped(match[3])
        if field not in ("metadata.name", "metadata.namespace", *resource.selectable):
            raise status.bad_request(_unsupported(field, resource))
        tests.append(_field_test(field, value, equal=operator != "!="))
    return (lambda obj: all(test(obj) for test in tests)) if tests else None


def _unescaped(value: str) -> str:
    """`fields.UnescapeValue`."""
    result, letters = "", iter(value)
    for letter in letters:
        if letter == "\\":
            after = next(letters, "")
            if after not in ("\\", ",", "="):
                raise status.bad_request(f"invalid field selector: invalid escape sequence: \\{after}")
            result += after
        elif letter in ",=":
            raise status.bad_request(f"invalid field selector: unescaped character in value: {ord(letter)}")
        else:
            result += letter
    return result


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
