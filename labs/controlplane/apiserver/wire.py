"""Requests in Kubernetes' protobuf form: `kubectl create namespace` and other typed clients send them.

Answers are always JSON, which these clients read as well. The envelope is `runtime.Unknown`; field numbers
come from `wire.jsonl`, types from `structure.jsonl`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from labs.controlplane import schemas

from .meta import micro, stamp
from .schema import definition, name_of

Object = dict[str, Any]
MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


class WireError(ValueError):
    """The bytes are not a message of the kind they say they are."""


def _table(schema: str) -> dict[str, Any]:
    return schemas.definition("wire.jsonl", schema)


def decode(body: bytes) -> Object:
    """The object a protobuf body holds, as JSON would have it. Raises `WireError`."""
    if not body.startswith(MAGIC):
        raise WireError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    envelope = dict(_fields(body[len(MAGIC) :]))
    types = {number: _text(value) for number, value in _fields(_bytes(envelope.get(1, b"")))}
    version, kind = types.get(1, ""), types.get(2, "")
    schema = _schema(version, kind)
    if schema not in schemas.names("wire.jsonl"):
        raise WireError(f'no kind "{kind}" is registered for version "{version}"')
    obj: Object = {"kind": kind, "apiVersion": version}
    _message(_bytes(envelope.get(2, b"")), _table(schema), schema, obj)
    return obj


def _schema(version: str, kind: str) -> str:
    return _META + kind if kind == "DeleteOptions" else name_of(version, kind)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, form = tag >> 3, tag & 7
        if form == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if form == _BYTES:
            length, position = _varint(data, position)
        elif form in (_FIXED64, _FIXED32):
            length = 8 if form == _FIXED64 else 4
        else:
            raise WireError(f"proto: illegal wireType {form}")
        if position + length > len(data):
            raise WireError("unexpected EOF")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise WireError("unexpected EOF")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise WireError("proto: wrong wireType")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _signed(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise WireError("proto: wrong wireType")
    return value - (1 << 64) if value >= 1 << 63 else value


def _message(data: bytes, table: dict[str, Any], schema: str, obj: Object) -> None:
    """Read a message into `obj`; an embedded struct's fields go to the same place."""
    fields = definition(schema)["fields"]
    for number, value in _fields(data):
        entry = table.get(str(number))
        if isinstance(entry, dict):
            _message(_bytes(value), entry, schema, obj)
        elif entry is not None and entry[0] in fields:
            name, mark = entry
            _field(obj, name, mark, fields[name], value)


def _field(obj: Object, name: str, mark: str, kind: Any, value: int | bytes) -> None:
    if isinstance(kind, dict) and "list" in kind:
        obj.setdefault(name, []).append(_value(kind["list"], mark, value))
    elif isinstance(kind, dict):
        entry = dict(_fields(_bytes(value)))
        obj.setdefault(name, {})[_text(entry.get(1, b""))] = _value(kind["map"], mark, entry.get(2, b""))
    else:
        read = _value(kind, mark, value)
        if not (mark == "z" and read in ("", 0, False, {})) and read is not None:
            obj[name] = read


def _value(kind: Any, mark: str, value: int | bytes) -> Any:
    if mark in ("t", "u"):
        return _time(_bytes(value), precise=mark == "u")
    if mark == "b":
        return b64encode(_bytes(value)).decode()
    if isinstance(kind, dict):  # of a map: `ExtraValue` is a message that holds the list
        return [_value(kind["list"], "", item) for number, item in _fields(_bytes(value)) if number == 1]
    if isinstance(kind, str) and kind.startswith("#"):
        obj: Object = {}
        _message(_bytes(value), _table(kind[1:]), kind[1:], obj)
        return obj
    match kind:
        case "integer" | "int32" | "int64":
            return _signed(value)
        case "boolean":
            return bool(value)
        case "quantity":
            return _text(dict(_fields(_bytes(value))).get(1, b""))
        case "int-or-string":
            parts = dict(_fields(_bytes(value)))
            return _text(parts.get(3, b"")) if parts.get(1) else _signed(parts.get(2, 0))
        case "any":
            raw = dict(_fields(_bytes(value))).get(1, b"")
            return json.loads(_bytes(raw) or b"null")
    return _text(value)


def _time(data: bytes, *, precise: bool) -> str | None:
    parts = dict(_fields(data))
    seconds, nanos = _signed(parts.get(1, 0)), _signed(parts.get(2, 0))
    if not parts or (seconds < -62135596800 + 1):
        return None
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError as error:
        raise WireError(str(error)) from error
    return micro(moment) if precise else stamp(moment)
