"""What fields a Pod has, and documents brought into that shape.

`schema.json` (see `build_schema`) maps a type to its fields; a field's type is a scalar (`string`, `int`,
`float`, `bool`), one of `Quantity`, `IntOrString`, `Time`, `any`, a type's name, `[]T` or `map[string]T`.
As Go's JSON decoding does, fields nobody knows are dropped, nulls count as absent, and a value of the
wrong type is an error in Go's words.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from labs.core.gotypes import NAMED_TYPES, inlined
from labs.core.quantity import QuantityError, canonical_quantity
from labs.golang import gojson, scalars
from labs.kubelet.pod.errors import ParseError

#: Go's names of plain types; the exact type appears in the message.
GO_TYPES = {"int": "int32", "float": "float64"}
#: Whole numbers that are wider than most.
LONG = frozenset(
    (
        ("PodSpec", "terminationGracePeriodSeconds"),
        ("PodSpec", "activeDeadlineSeconds"),
        ("PodSecurityContext", "runAsUser"),
        ("PodSecurityContext", "runAsGroup"),
        ("PodSecurityContext", "fsGroup"),
        ("SecurityContext", "runAsUser"),
        ("SecurityContext", "runAsGroup"),
        ("PodSecurityContext", "supplementalGroups"),
        ("Toleration", "tolerationSeconds"),
        ("Probe", "terminationGracePeriodSeconds"),
        ("SleepAction", "seconds"),
        ("ObjectMeta", "generation"),
        ("ObjectMeta", "deletionGracePeriodSeconds"),
        ("ServiceAccountTokenProjection", "expirationSeconds"),
    )
)
#: What a null in a list stands for; an empty object where it is not listed.
ZEROES: dict[str, object] = {"string": "", "int": 0, "bool": False}
#: How wide Go's integers are.
BITS = {"int32": 32, "int64": 64}


@cache
def types() -> dict[str, dict[str, str]]:
    """The schema, read once."""
    loaded: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("schema.json").read_text())
    return loaded


def _go_type(owner: str, field: str, expression: str) -> str:
    if expression.startswith("[]"):
        return "[]" + _go_type(owner, field, expression[2:])
    if (owner, field) in LONG:
        return "int64"
    if (owner, field) in NAMED_TYPES:
        return NAMED_TYPES[owner, field]
    if expression.startswith("map[string]"):
        return "map[string]" + _go_type("", "", expression[11:])
    if expression in types():
        return f"v1.{expression}"
    return GO_TYPES.get(expression, expression)


def _mismatch(value: object, owner: str, path: tuple[str, ...], go_type: str) -> ParseError:
    kind = gojson.kind(value)
    if kind == "number" and go_type in BITS:
        whole = isinstance(value, float) and abs(value) < 1e21 and value.is_integer()
        kind = f"number {value:.0f}" if whole else f"number {value}"
    return ParseError(
        f"json: cannot unmarshal {kind} into Go struct field {owner}.{'.'.join(path)} of type {go_type}"
    )


def _scalar(value: object, expression: str, owner: str, path: tuple[str, ...]) -> object:
    fits = {
        "string": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "Time": isinstance(value, str),
    }[expression]
    go_type = _go_type(owner, path[-1], expression)
    if fits and isinstance(value, int) and go_type in BITS:
        fits = -(1 << BITS[go_type] - 1) <= value < 1 << BITS[go_type] - 1
    if not fits:
        raise _mismatch(value, owner, path, go_type)
    if expression == "Time" and isinstance(value, str):
        return _time(value)
    return value


def _time(text: str) -> str:
    """A time in UTC; nothing is the zero time."""
    try:
        return scalars.time(text) if text else text
    except ValueError as error:
        raise ParseError(str(error)) from None


def _conform(value: Any, expression: str, owner: str, path: tuple[str, ...]) -> Any:
    """`value` as the type says; `owner` and `path` locate it for the message."""
    if expression == "any":
        return value
    if expression == "Quantity":
        try:
            return canonical_quantity(value)
        except QuantityError as error:
            raise ParseError(str(error)) from None
    if expression == "IntOrString":
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise _mismatch(value, owner, path, "int32")
    if expression.startswith("[]"):
        if not isinstance(value, list):
            raise _mismatch(value, owner, path, _go_type(owner, path[-1], expression))
        inner = expression[2:]
        zero = ZEROES.get(inner, {})
        return [_conform(zero if item is None else item, inner, owner, path) for item in value]
    if expression.startswith("map[string]"):
        if not isinstance(value, dict):
            raise _mismatch(value, owner, path, _go_type(owner, path[-1], expression))
        return {k: _conform("" if v is None else v, expression[11:], owner, path) for k, v in value.items()}
    if expression in types():
        if not isinstance(value, dict):
            raise _mismatch(value, owner, path, _go_type(owner, path[-1], expression))
        return conform(value, expression, path)
    return _scalar(value, expression, owner, path)


def conform(document: dict[str, Any], type_name: str, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """A document with the known fields of `type_name` only, in the schema's order, every value checked.

    Raises ParseError for a value of the wrong type.
    """
    fields = types()[type_name]
    return {
        field: _conform(document[field], expression, type_name, (*path, *inlined(type_name, field), field))
        for field, expression in fields.items()
        if document.get(field) is not None
    }
