"""What a request's JSON may hold: types and known fields, from the shipped structure of Kubernetes' kinds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from labs.controlplane import schemas
from labs.core.quantity import QuantityError, canonical_quantity
from labs.golang import gojson, scalars

_GO_TYPES = {
    "boolean": "bool",
    "byte": "[]uint8",
    "int-or-string": "int32",
    "integer": "int",
    "micro-time": "v1.MicroTime",
    "number": "float64",
    "quantity": "resource.Quantity",
    "time": "v1.Time",
}


#: Where Go has a type of its own for what is text or a list here.
_NAMED_TYPES = {
    "PodSpec.restartPolicy": "v1.RestartPolicy",
    "PodSpec.dnsPolicy": "v1.DNSPolicy",
    "ObjectMeta.uid": "types.UID",
    "OwnerReference.uid": "types.UID",
    "PodSpec.overhead": "v1.ResourceList",
    "Container.imagePullPolicy": "v1.PullPolicy",
    "Container.terminationMessagePolicy": "v1.TerminationMessagePolicy",
    "ContainerPort.protocol": "v1.Protocol",
    "HTTPGetAction.scheme": "v1.URIScheme",
    "ResourceRequirements.limits": "v1.ResourceList",
    "ResourceRequirements.requests": "v1.ResourceList",
    "Capabilities.add": "[]v1.Capability",
    "Capabilities.drop": "[]v1.Capability",
}
#: Structures within others that have no field of their own in JSON, and one in Go's paths.
_INLINED = (
    (re.compile(r"(?<=Probe)\.(?=(?:exec|httpGet|tcpSocket|grpc)\b)"), ".ProbeHandler."),
    (re.compile(r"(?<=\.volumes)\.(?!name\b)"), ".VolumeSource."),
)


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
    _prune_struct(obj, schema, "", unknown)
    return unknown


def _prune_struct(value: dict[str, Any], schema: str, path: str, unknown: list[str]) -> None:
    fields = definition(schema)["fields"]
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
            value[name] = _prune_value(
                value[name], kind, here, unknown, f"{schema.rpartition('.')[2]}.{here}"
            )


def _keeps_null(name: str) -> bool:
    """Fields that Kubernetes writes as null when they are empty (Go: a time without omitempty)."""
    return name in ("lastProbeTime", "eventTime")


def _prune_value(value: Any, kind: Any, path: str, unknown: list[str], go_field: str) -> Any:
    if value is None:
        return _zero(kind)
    if isinstance(kind, str):
        if kind.startswith("#"):
            if not isinstance(value, dict):
                raise _mismatch(value, go_field, _go_type(kind))
            _prune_struct(value, kind[1:], path, unknown)
            return value
        return _scalar(value, kind, go_field)
    if "list" in kind:
        if not isinstance(value, list):
            raise _mismatch(value, go_field, "[]" + _go_type(kind["list"]))
        return [
            _prune_value(item, kind["list"], f"{path}[{index}]", unknown, go_field)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, dict):
        raise _mismatch(value, go_field, "map[string]" + _go_type(kind["map"]))
    return {
        key: _prune_value(item, kind["map"], f"{path}.{key}", unknown, go_field)
        for key, item in value.items()
        if item is not None or kind["map"] == "any"
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


def _scalar(value: Any, kind: str, go_field: str) -> Any:
    match kind:
        case "string" | "byte" | "time" | "micro-time":
            valid = isinstance(value, str)
        case "integer" | "int32" | "int64":
            valid = isinstance(value, int) and not isinstance(value, bool)
            if valid and not -(1 << 31 if kind == "int32" else 1 << 63) <= value < (
                1 << 31 if kind == "int32" else 1 << 63
            ):
                raise DecodeError(_cannot(f"number {value}", go_field, kind))
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
        raise DecodeError(_cannot(found, go_field, _GO_TYPES.get(kind, kind)), _unconverted(found, kind))
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


def _mismatch(value: Any, go_field: str, expected: str) -> DecodeError:
    return DecodeError(_cannot(gojson.kind(value), go_field, expected))


def _cannot(found: str, go_field: str, expected: str) -> str:
    """In Go's words, whose paths know no places in lists."""
    owner, _, path = re.sub(r"\[\d+\]", "", go_field).partition(".")
    expected = _NAMED_TYPES.get(f"{owner}.{path.rpartition('.')[2]}", expected)
    for pattern, inlined in _INLINED:
        path = pattern.sub(inlined, path)
    go_field = f"{owner}.{path}"
    return f"json: cannot unmarshal {found} into Go struct field {go_field} of type {expected}"


def _go_type(kind: Any) -> str:
    if isinstance(kind, str):
        return ".".join(kind[1:].split(".")[-2:]) if kind.startswith("#") else _GO_TYPES.get(kind, kind)
    return "[]" + _go_type(kind["list"]) if "list" in kind else "map[string]" + _go_type(kind["map"])
