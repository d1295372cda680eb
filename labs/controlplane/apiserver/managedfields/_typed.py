"""Objects by their schema: which fields one has, how two differ, one laid over another, fields taken out.

Mirrors `sigs.k8s.io/structured-merge-diff/typed`. Maps and structs are granular, lists only where the schema
says by what their items are told apart; everything else is one value.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ..schema import definition
from ._sets import ITSELF, FieldSet, closed, opened, spelled

Object = dict[str, Any]
_ABSENT = object()


class TypedError(Exception):
    """An applied configuration that does not fit the schema; the message is structured-merge-diff's."""


def is_struct(kind: Any) -> bool:
    """Whether a type is a struct whose fields are told apart."""
    return isinstance(kind, str) and kind.startswith("#") and not definition(kind[1:]).get("atomic")


def _is_map(kind: Any) -> bool:
    return isinstance(kind, dict) and "map" in kind and not kind.get("atomic")


def _is_list(kind: Any) -> bool:
    return isinstance(kind, dict) and ("keys" in kind or "set" in kind)


def _field_type(kind: Any, name: str) -> Any:
    if isinstance(kind, dict):
        return kind["map"]
    return definition(kind[1:])["fields"].get(name, "any")


def _items(kind: Any, value: list[Any]) -> dict[str, Any]:
    """A list's items by their path elements."""
    if "set" in kind:
        return {"v:" + _dump(item): item for item in value}
    item_type = kind["list"]
    known = definition(item_type[1:]).get("defaults", {}) if isinstance(item_type, str) else {}
    found = {}
    for item in value:
        if not isinstance(item, dict):
            raise TypedError(f"expected map, got {item!r}")
        keys = {key: item.get(key, known.get(key)) for key in kind["keys"]}
        found["k:" + _dump({key: keys[key] for key in sorted(keys) if keys[key] is not None})] = item
    return found


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def field_set(kind: Any, value: Any) -> FieldSet:
    """The fields that an applied configuration has an opinion on."""
    if isinstance(value, dict) and (is_struct(kind) or _is_map(kind)):
        result: FieldSet = {}
        for name, part in value.items():
            below = field_set(_field_type(kind, name), part)
            result[f"f:{name}"] = below
        return result
    if isinstance(value, list) and _is_list(kind):
        if "set" in kind:
            return {element: {} for element in _items(kind, value)}
        items = _items(kind, value)
        return {
            element: closed({ITSELF: {}, **field_set(kind["list"], item)}) for element, item in items.items()
        }
    return {}


@dataclass
class Comparison:
    """How two objects differ."""

    added: FieldSet = field(default_factory=dict)
    modified: FieldSet = field(default_factory=dict)
    removed: FieldSet = field(default_factory=dict)

    def below(self, element: str, other: Comparison) -> None:
        """Take in what a part differs by."""
        for mine, theirs in (
            (self.added, other.added),
            (self.modified, other.modified),
            (self.removed, other.removed),
        ):
            if theirs:
                mine[element] = closed(theirs)


def compare(kind: Any, old: Object, new: Object) -> Comparison:
    """What came, changed and went from `old` to `new`, two objects of a kind."""
    return _compare(kind, old, new)


def _compare(kind: Any, old: Any, new: Any) -> Comparison:
    result = Comparison()
    if old is _ABSENT:
        result.added[ITSELF] = {}
    elif new is _ABSENT:
        result.removed[ITSELF] = {}
    if is_struct(kind) or _is_map(kind):
        _compare_maps(kind, old, new, result)
    elif _is_list(kind):
        before = _items(kind, old) if isinstance(old, list) else {}
        after = _items(kind, new) if isinstance(new, list) else {}
        for element in dict.fromkeys((*before, *after)):
            was, now = before.get(element, _ABSENT), after.get(element, _ABSENT)
            if was != now:
                result.below(element, _compare(kind["list"], was, now))
    elif old is not _ABSENT and new is not _ABSENT:
        result.modified[ITSELF] = {}
    return result


def _compare_maps(kind: Any, old: Any, new: Any, result: Comparison) -> None:
    before = old if isinstance(old, dict) else {}
    after = new if isinstance(new, dict) else {}
    schema = definition(kind[1:]) if isinstance(kind, str) else {}
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name, _ABSENT), after.get(name, _ABSENT)
        part = _field_type(kind, name)
        # A field that is always there neither comes nor goes, as long as its owner is there.
        if old is not _ABSENT and new is not _ABSENT and _always_there(schema, name, part):
            empty: Any = [] if isinstance(part, dict) and "list" in part else {}
            was, now = (empty if value is _ABSENT or value is None else value for value in (was, now))
        if was != now:
            result.below(f"f:{name}", _compare(part, was, now))


def _always_there(schema: Object, name: str, part: Any) -> bool:
    if name in schema.get("embedded", ()):
        return True
    return name in schema.get("required", ()) and _is_list(part)


def merge(kind: Any, live: Any, wanted: Any) -> Any:
    """`wanted` laid over `live`: what it does not speak of stays."""
    if isinstance(wanted, dict) and (is_struct(kind) or _is_map(kind)):
        result = dict(live) if isinstance(live, dict) else {}
        for name, part in wanted.items():
            result[name] = merge(_field_type(kind, name), result.get(name), part)
        return result
    if isinstance(wanted, list) and _is_list(kind):
        return _merge_lists(kind, live if isinstance(live, list) else [], wanted)
    return deepcopy(wanted)


def _merge_lists(kind: Any, live: list[Any], wanted: list[Any]) -> list[Any]:
    """Items in the order of `wanted`, those only in `live` where they stood between their neighbours."""
    before, after = _items(kind, live), _items(kind, wanted)
    merged = {
        element: merge(kind["list"], before.get(element), item) if "keys" in kind else item
        for element, item in after.items()
    }
    result: list[Any] = []
    pending = iter(before.items())
    for element in after:
        if element in before:
            for other, item in pending:
                if other == element:
                    break
                if other not in after:
                    result.append(item)
        result.append(merged[element])
    placed = {id(item) for item in result}
    result += [item for other, item in before.items() if other not in after and id(item) not in placed]
    return result


def remove(kind: Any, value: Any, fields: FieldSet) -> Any:
    """`value` without the members of a set; containers that become empty go as well."""
    if isinstance(value, dict) and (is_struct(kind) or _is_map(kind)):
        result = {}
        for name, part in value.items():
            node = fields.get(f"f:{name}")
            if node is None:
                result[name] = part
                continue
            rest = _without(_field_type(kind, name), part, node)
            if rest is not _ABSENT:
                result[name] = rest
        return result if result else _ABSENT
    if isinstance(value, list) and _is_list(kind):
        kept = []
        for element, item in _items(kind, value).items():
            node = fields.get(element)
            rest = item if node is None else _without(kind["list"], item, node)
            if rest is not _ABSENT:
                kept.append(rest)
        return kept if kept else _ABSENT
    return value


def _without(kind: Any, part: Any, node: FieldSet) -> Any:
    if ITSELF in opened(node):
        return _ABSENT
    return remove(kind, part, node)


def is_gone(value: Any) -> bool:
    """Whether `remove` left nothing."""
    return value is _ABSENT


_NUMBERS = ("int32", "int64", "integer", "number")
_STRINGS = ("string", "byte", "time", "micro-time")


def check(kind: Any, value: Any, path: str = "") -> None:
    """Refuse what the schema does not have. Raises `TypedError` in structured-merge-diff's words."""
    if value is None or kind in ("any", "int-or-string"):
        return
    if isinstance(kind, str) and not kind.startswith("#"):
        _check_scalar(kind, value, path)
    elif isinstance(kind, dict) and "list" in kind:
        if not isinstance(value, list):
            raise TypedError(f"{path}: expected list, got &{{{_plain(value)}}}")
        elements = (
            _told_apart(kind, value, path) if _is_list(kind) else {f"[{i}]": v for i, v in enumerate(value)}
        )
        for element, item in elements.items():
            check(kind["list"], item, path + (spelled(element) if _is_list(kind) else element))
    elif not isinstance(value, dict):
        raise TypedError(f"{path}: expected map, got &{{{_plain(value)}}}")
    else:
        for name, part in value.items():
            here = f"{path}.{name}"
            if isinstance(kind, str) and name not in definition(kind[1:])["fields"]:
                raise TypedError(f"{here}: field not declared in schema")
            check(_field_type(kind, name), part, here)


def _told_apart(kind: Any, value: list[Any], path: str) -> dict[str, Any]:
    """A list's items by their path elements, of which no two are the same. Raises `TypedError`."""
    for index, item in enumerate(value if "keys" in kind else ()):
        if not isinstance(item, dict):
            why = "associative list with keys may not have non-map elements"
            raise TypedError(f"{path}: element {index}: {why}")
    found: dict[str, Any] = {}
    for item in value:
        (element,) = _items(kind, [item])
        if element in found:
            raise TypedError(f"{path}: duplicate entries for key {spelled(element)}")
        found[element] = item
    return found


def _check_scalar(kind: str, value: Any, path: str) -> None:
    if kind in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypedError(f"{path}: expected numeric (int or float), got {_go_type(value)}")
    if kind == "quantity" and isinstance(value, list | dict):
        raise TypedError(f"{path}: expected any scalar, got &{{{_plain(value)}}}")
    if kind == "boolean" and not isinstance(value, bool):
        raise TypedError(f"{path}: expected boolean, got &{{{_plain(value)}}}")
    if kind in _STRINGS and not isinstance(value, str):
        raise TypedError(f"{path}: expected string, got &value.valueUnstructured{{Value:{_syntax(value)}}}")


def _plain(value: Any) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, list):
        return f"[{' '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_plain(value[key])}' for key in sorted(value))}]"
    return value if isinstance(value, str) else "<nil>" if value is None else json.dumps(value)


def _syntax(value: Any) -> str:
    """A value as Go's %#v prints it."""
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_syntax, value))}}}"
    if isinstance(value, dict):
        pairs = ", ".join(f"{_dump(key)}:{_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{pairs}}}"
    return "interface {}(nil)" if value is None else _dump(value)


def _go_type(value: Any) -> str:
    names = {str: "string", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
    return names.get(type(value), "nil")
