"""What a request's JSON may hold: types and known fields, from the shipped structure of Kubernetes' kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from labs.controlplane import schemas
from labs.core.gotypes import NAMED_TYPES, inlined
from labs.core.quantity import QuantityError, canonical_quantity
from labs.golang import gojson, scalars

_GO_TYPES = {
    "boolean": "bool",
    "byte": "[]uint8",
    "int-or-string": "int32",
    "integer": "int",
    "micro-time": "string",
    "number": "float64",
    "quantity": "resource.Quantity",
    "time": "string",
}


_CHECKED: dict[str, Callable[[str], str]] = {
    "time": scalars.time,
    "micro-time": lambda text: scalars.time(text, scalars.MICRO_TIME),
    "byte": scalars.base64,
}


class DecodeError(Exception):
    """A value that is none of the field's; the message is that of Go's JSON decoder.

    `converted` is what Go's converter of unstructured objects says instead, in server-side apply.
    """

    def __init__(self, message: str, converted: str = "") -> None:
        super().__init__(message)
        self.converted = converted or message


def definition(name: str) -> dict[str, Any]:
    """The fields of a named type."""
    return schemas.definition("structure.jsonl", name)


def name_of(group_version: str, kind: str) -> str:
    """The name that the definition of a kind has, whether there is one or not."""
    group, _, version = group_version.rpartition("/")
    return f"io.k8s.api.{group.partition('.')[0] or 'core'}.{version}.{kind}"


def is_known(group_version: str, kind: str) -> bool:
    """Whether Kubernetes has such a kind, served here or not."""
    return name_of(group_version, kind) in schemas.names("structure.jsonl")


def prune(obj: dict[str, Any], schema: str) -> list[str]:
    """Drop what the kind does not have, in place; returns what was dropped, as strict decoding names it.

    Nulls are dropped, too: to Kubernetes they say "not given". Raises `DecodeError` for a wrong type.
    """
    unknown: list[str] = []
    _prune_struct(obj, schema, "", (), unknown)
    return unknown


class _Field(NamedTuple):
    """Where a value is, as Go's decoder tells it."""

    #: The structure that has the field.
    owner: str
    #: From the object on; places in lists and keys of maps are no part of it.
    path: tuple[str, ...]


def _prune_struct(
    value: dict[str, Any], schema: str, path: str, go_path: tuple[str, ...], unknown: list[str]
) -> None:
    fields, owner = definition(schema)["fields"], schema.rpartition(".")[2]
    for name in list(value):
        here = f"{path}.{name}" if path else name
        kind = fields.get(name)
        if kind is None:
            unknown.append(here)
            del value[name]
        elif value[name] is None:
            if not _keeps_null(name):
                del value[name]
        else:
            field = _Field(owner, (*go_path, *inlined(owner, name), name))
            value[name] = _prune_value(value[name], kind, here, unknown, field)


def _keeps_null(name: str) -> bool:
    """Fields that Kubernetes writes as null when they are empty (Go: a time without omitempty)."""
    return name in ("lastProbeTime", "eventTime")


def _prune_value(value: Any, kind: Any, path: str, unknown: list[str], field: _Field) -> Any:
    if value is None:
        return _zero(kind)
    if isinstance(kind, str):
        if kind.startswith("#"):
            if not isinstance(value, dict):
                raise _mismatch(value, field, _go_type(kind))
            _prune_struct(value, kind[1:], path, field.path, unknown)
            return value
        return _scalar(value, kind, field)
    if "list" in kind:
        if not isinstance(value, list):
            raise _mismatch(value, field, "[]" + _go_type(kind["list"]))
        return [
            _prune_value(item, kind["list"], f"{path}[{index}]", unknown, field)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, dict):
        raise _mismatch(value, field, "map[string]" + _go_type(kind["map"]))
    return {
        key: _prune_value(item, kind["map"], f"{path}.{key}", unknown, field) for key, item in value.items()
    }


def _zero(kind: Any) -> Any:
    """What Go makes of a null in a list: the type's zero."""
    if isinstance(kind, dict):
        return [] if "list" in kind else {}
    if kind.startswith("#"):
        return {}
    zeros = {
        "boolean": False,
        "any": None,
        "int32": 0,
        "int64": 0,
        "integer": 0,
        "number": 0,
        "quantity": "0",
    }
    return zeros.get(kind, "")


def _scalar(value: Any, kind: str, field: _Field) -> Any:
    match kind:
        case "string" | "byte" | "time" | "micro-time":
            valid = isinstance(value, str)
        case "integer" | "int32" | "int64":
            valid = isinstance(value, int) and not isinstance(value, bool)
            if valid and not -(1 << 31 if kind == "int32" else 1 << 63) <= value < (
                1 << 31 if kind == "int32" else 1 << 63
            ):
                raise DecodeError(_cannot(f"number {value}", field, kind))
        case "boolean":
            valid = isinstance(value, bool)
        case "number":
            valid = isinstance(value, int | float) and not isinstance(value, bool)
        case "int-or-string":
            valid = isinstance(value, int | str) and not isinstance(value, bool)
        case "quantity":
            return _quantity(value)
        case _:
            valid = True
    if not valid:
        found = (
            f"number {value}" if isinstance(value, float) and kind.startswith("int") else gojson.kind(value)
        )
        raise DecodeError(_cannot(found, field, _GO_TYPES.get(kind, kind)), _unconverted(found, kind))
    if value and (check := _CHECKED.get(kind)):
        try:
            return check(value)
        except ValueError as error:
            raise DecodeError(
                str(error), f"error decoding from json: {error}" if kind == "byte" else ""
            ) from None
    return value


def _quantity(value: Any) -> str:
    """An amount, in the largest unit that leaves no fraction, as Go's type keeps it whatever it was in."""
    try:
        return canonical_quantity(value)
    except QuantityError as error:
        raise DecodeError(str(error)) from None


def _unconverted(found: str, kind: str) -> str:
    if kind == "int-or-string":
        return f"json: cannot unmarshal {found} into Go value of type int32"
    return f"cannot convert float64 to {kind}" if found.startswith("number") else ""


def _mismatch(value: Any, field: _Field, expected: str) -> DecodeError:
    return DecodeError(_cannot(gojson.kind(value), field, expected))


def _cannot(found: str, field: _Field, expected: str) -> str:
    if named := NAMED_TYPES.get((field.owner, field.path[-1])):
        expected = f"[]{named}" if expected.startswith("[]") else named
    where = ".".join((field.owner, *field.path))
    return f"json: cannot unmarshal {found} into Go struct field {where} of type {expected}"


def _go_type(kind: Any) -> str:
    if isinstance(kind, str):
        return ".".join(kind[1:].split(".")[-2:]) if kind.startswith("#") else _GO_TYPES.get(kind, kind)
    return "[]" + _go_type(kind["list"]) if "list" in kind else "map[string]" + _go_type(kind["map"])
