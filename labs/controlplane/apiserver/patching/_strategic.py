"""Strategic merge patch: lists merge by the keys that the kind's schema names.

Mirrors `k8s.io/apimachinery/pkg/util/strategicpatch` with its directives `$patch: delete|replace|merge`,
`$retainKeys`, `$deleteFromPrimitiveList/F` and `$setElementOrder/F`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ..schema import definition
from ._json import PatchError

_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"


def strategic_merge(target: dict[str, Any], patch: dict[str, Any], schema: str) -> dict[str, Any]:
    """`patch` laid over `target`, an object of the type `schema`."""
    result = _merge_map(target, patch, "#" + schema)
    return result if result is not None else {}


def _field_type(kind: Any, name: str) -> Any:
    if isinstance(kind, str) and kind.startswith("#"):
        return definition(kind[1:])["fields"].get(name, "any")
    if isinstance(kind, dict) and "map" in kind:
        return kind["map"]
    return "any"


def _merge_map(target: Any, patch: dict[str, Any], kind: Any) -> dict[str, Any] | None:
    """The merged object; None when the patch says to delete it."""
    patch = dict(patch)
    directive = patch.pop(_DIRECTIVE, None)
    if directive == "delete":
        return None
    if directive == "replace":
        return deepcopy(patch)
    if directive not in (None, "merge"):
        raise PatchError(f"Unknown patch type: {directive}")
    result = dict(target) if isinstance(target, dict) else {}
    retain = patch.pop(_RETAIN, None)
    if not isinstance(retain, list | None):
        raise PatchError("invalid patch format of retainKeys")
    if retain is not None:
        result = {key: value for key, value in result.items() if key in retain}
    orders = {key[len(_ORDER) :]: patch.pop(key) for key in list(patch) if key.startswith(_ORDER)}
    for key in [key for key in patch if key.startswith(_DELETE_FROM)]:
        name, gone = key[len(_DELETE_FROM) :], patch.pop(key)
        present = result.get(name) or []
        if not isinstance(gone, list) or not isinstance(present, list):
            raise PatchError(f"{key} is no list of values to take out of a list")
        result[name] = [item for item in present if item not in gone]
    for name, value in patch.items():
        field = _field_type(kind, name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            if isinstance(field, dict) and field.get("replace"):
                result[name] = deepcopy(value)
                continue
            merged = _merge_map(result.get(name), value, field)
            if merged is None:
                result.pop(name, None)
            else:
                result[name] = merged
        elif isinstance(value, list) and isinstance(field, dict) and "merge" in field:
            present = result.get(name)
            result[name] = _merge_list(present if isinstance(present, list) else [], value, field)
        else:
            result[name] = deepcopy(value)
    for name, order in orders.items():
        field = _field_type(kind, name)
        if isinstance(result.get(name), list) and isinstance(order, list):
            result[name] = _ordered(
                result[name], order, field.get("merge", "") if isinstance(field, dict) else ""
            )
    return result


def _merge_list(target: list[Any], patch: list[Any], field: dict[str, Any]) -> list[Any]:
    key, kind = field["merge"], field["list"]
    if not key:
        return target + [item for item in patch if item not in target]
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        return [deepcopy(item) for item in patch if isinstance(item, dict) and _DIRECTIVE not in item]
    result = list(target)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise PatchError(f"map: {item} does not contain declared merge key: {key}")
        position = next((i for i, old in enumerate(result) if old.get(key) == item[key]), None)
        merged = _merge_map(result[position] if position is not None else {}, item, kind)
        if merged is None:
            if position is not None:
                del result[position]
        elif position is None:
            result.append(merged)
        else:
            result[position] = merged
    return result


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """Items in the order the client gives; those it does not know keep their place after their neighbours."""

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    known = sorted(
        (item for item in items if identity(item) in wanted), key=lambda item: wanted.index(identity(item))
    )
    arranged = iter(known)
    return [next(arranged) if identity(item) in wanted else item for item in items]
