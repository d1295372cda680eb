"""The value that a body holds, as Go reads it: what Python's parsers take and Go's do not is refused here.

No value is nested so deeply that code which walks it would run out of stack, and each can be written as
JSON again. What is wrong is said in the words of `encoding/json` and goyaml.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from labs.golang import gojson, goyaml

#: Go's JSON takes 10000 levels, Python's stack a few hundred in code that calls itself; real objects have 20.
MAX_DEPTH = 150
#: What aliases may make of a YAML document, in values.
MAX_NODES = 200_000
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def from_json(body: bytes) -> Any:
    """The value of a JSON text. Raises `ValueError`."""
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_float)
    except RecursionError:
        raise ValueError("exceeded max depth") from None
    except json.JSONDecodeError as error:
        raise ValueError(gojson.syntax_error(error, body)) from None
    if text.count("{") + text.count("[") > MAX_DEPTH or _SURROGATE.search(text):
        return plain(value, nodes=len(text))
    return value


def from_yaml(body: bytes) -> Any:
    """The value of a YAML text. Raises `ValueError`."""
    if body.lstrip()[:1] == b"{":
        try:
            return from_json(body)  # most of what is sent as YAML is JSON, which is quicker to read
        except ValueError:
            pass
    try:
        return plain(goyaml.load(body))
    except goyaml.YAMLError as error:
        raise ValueError(str(error)) from None


def plain(value: Any, *, nodes: int = MAX_NODES) -> Any:
    """The value as JSON can have it. Raises `ValueError` for what is too deep, too large or no JSON."""
    left = nodes

    def walk(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > MAX_DEPTH:
            raise ValueError("exceeded max depth")
        if left < 0:
            raise ValueError("yaml: document contains excessive aliasing")
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, dict):
            return {_key(key): walk(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, depth + 1) for item in value]
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and _fits(value)):
            return value
        raise ValueError(f"json: unsupported value: {value}")

    return walk(value, 0)


def summary(body: bytes) -> str:
    """A body in a message (`summarizeData` of apimachinery's runtime errors)."""
    if not body:
        return "<empty>"
    more = " ..." if len(body) > 30 else ""
    shown = body[:30].decode("utf-8", "replace") if body[:1] == b"{" else body[:30].hex()
    return shown + more


def _fits(value: float) -> bool:
    return math.isfinite(value)


def _text(text: str) -> str:
    """Without halves of surrogate pairs, in whose place Go puts U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _key(key: Any) -> str:
    """A key of YAML as one of JSON."""
    if isinstance(key, str):
        return _text(key)
    if isinstance(key, bool | int | float):
        return json.dumps(key)
    raise ValueError(f"json: unsupported map key: {key}")


def _no_constant(name: str) -> Any:
    if name.startswith("-"):
        raise ValueError(f"invalid character '{name[1]}' in numeric literal")
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


def _float(text: str) -> float:
    value = float(text)
    if not _fits(value):
        raise ValueError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return value
