"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386)."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

_POSITION = re.compile(r"[0-9]{1,9}")
#: What copies may add to an object, in bytes of JSON (`AccumulatedCopySizeLimit`).
COPY_LIMIT = 3 * 1024 * 1024


class PatchError(Exception):
    """A patch that cannot be applied; the message is for the client."""


def merge_patch(target: Any, patch: Any) -> Any:
    """`patch` laid over `target`: objects merge, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """The operations applied one after the other; all or nothing."""
    if not isinstance(operations, list):
        raise PatchError("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document, copied = deepcopy(target), 0
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError("Invalid JSON Patch")
        if operation.get("op") == "copy":
            copied += len(json.dumps(_find(document, _source(operation), "copy")))
            if copied > COPY_LIMIT:
                raise PatchError(
                    f"Unable to complete the copy, the accumulated size increase of copy is {copied}, "
                    f"exceeding the limit {COPY_LIMIT}"
                )
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation.get("op"), operation["path"]
    match kind:
        case "add":
            return _add(document, path, deepcopy(operation.get("value")))
        case "remove":
            return _remove(document, path, kind)
        case "replace":
            if not _tokens(path):
                return deepcopy(operation.get("value"))
            return _set(document, path, deepcopy(operation.get("value")))
        case "move":
            source = _source(operation)
            value = _find(document, source, kind)
            return _add(_remove(document, source, kind), path, value)
        case "copy":
            return _add(document, path, deepcopy(_find(document, _source(operation), kind)))
        case "test":
            if _find(document, path, kind) != operation.get("value"):
                raise PatchError(f"testing value {path} failed")
            return document
    raise PatchError(f"Unexpected kind: {kind}")


def _source(operation: dict[str, Any]) -> str:
    source = operation.get("from")
    if not isinstance(source, str):
        raise PatchError("Invalid JSON Patch")
    return source


def _tokens(path: str) -> list[str]:
    if path == "":
        return []
    if not path.startswith("/"):
        raise PatchError(f"{path}: missing value")
    return [token.replace("~1", "/").replace("~0", "~") for token in path[1:].split("/")]


def _index(token: str, container: list[Any], path: str, kind: str, *, end: bool = False) -> int:
    if end and token == "-":
        return len(container)
    if not _POSITION.fullmatch(token) or int(token) > len(container) - (not end):
        raise PatchError(f"{kind} operation does not apply: doc is missing path: {path}: missing value")
    return int(token)


def _find(document: Any, path: str, kind: str) -> Any:
    value = document
    for token in _tokens(path):
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list):
            value = value[_index(token, value, path, kind)]
        else:
            raise PatchError(f"{kind} operation does not apply: doc is missing path: {path}: missing value")
    return value


def _parent(document: Any, path: str, kind: str) -> tuple[Any, str]:
    *parents, last = _tokens(path)
    value = document
    for token in parents:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list):
            value = value[_index(token, value, path, kind)]
        else:
            raise PatchError(f'{kind} operation does not apply: doc is missing path: "{path}": missing value')
    if not isinstance(value, dict | list):
        raise PatchError(f'{kind} operation does not apply: doc is missing path: "{path}": missing value')
    return value, last


def _add(document: Any, path: str, value: Any) -> Any:
    if not _tokens(path):
        return value
    container, token = _parent(document, path, "add")
    if isinstance(container, list):
        container.insert(_index(token, container, path, "add", end=True), value)
    else:
        container[token] = value
    return document


def _set(document: Any, path: str, value: Any) -> Any:
    container, token = _parent(document, path, "replace")
    if isinstance(container, list):
        container[_index(token, container, path, "replace")] = value
    else:
        container[token] = value
    return document


def _remove(document: Any, path: str, kind: str) -> Any:
    _find(document, path, kind)
    if not _tokens(path):
        return None
    container, token = _parent(document, path, kind)
    if isinstance(container, list):
        del container[_index(token, container, path, kind)]
    else:
        del container[token]
    return document
