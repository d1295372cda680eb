"""Patches as clients send them: each kind of patch says in its own words what is wrong with one.

Mirrors `k8s.io/apiserver/pkg/endpoints/handlers/patch.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labs.controlplane.http import BODY_LIMIT
from labs.golang import gojson

from . import codec, decoding, status
from .patching import PatchError, json_patch, merge_patch, strategic_merge

Object = dict[str, Any]
#: Changes the object; raises a Status for what does not fit it.
Patch = Callable[[Object], Object]
JSON, MERGE = "application/json-patch+json", "application/merge-patch+json"
MAX_OPERATIONS = 10_000
_MAP = "Go value of type map[string]interface {}"


def read(kind: str, body: bytes, schema: str) -> tuple[Any, Patch]:
    """What a body holds, and the change it means for an object of the type `schema`. Raises a Status."""
    prefix = "" if kind == codec.STRATEGIC else "error decoding patch: "
    try:
        value = codec.parse(body, kind)
    except ValueError as error:
        raise status.bad_request(f"{prefix}{error}") from error
    if kind == JSON:
        _check_operations(value)
        return value, lambda obj: _applied(_json_patch, obj, value or [])
    if value is None and kind == MERGE:
        raise status.bad_request("Invalid JSON Patch")
    if not isinstance(value, dict | None):
        found = gojson.kind(value)
        raise status.bad_request(f"{prefix}json: cannot unmarshal {found} into {_MAP}")
    changes = value or {}
    if kind == MERGE:
        return changes, lambda obj: _applied(merge_patch, obj, changes)
    return changes, lambda obj: _applied(lambda old, new: strategic_merge(old, new, schema), obj, changes)


def _check_operations(value: Any) -> None:
    what = "Go value of type []handlers.jsonPatchOp"
    if not isinstance(value, list | None):
        found = gojson.kind(value)
        raise status.bad_request(f"error decoding patch: json: cannot unmarshal {found} into {what}")
    for operation in value or []:
        if not isinstance(operation, dict | None):
            found = gojson.kind(operation)
            what = "Go value of type handlers.jsonPatchOp"
            raise status.bad_request(f"error decoding patch: json: cannot unmarshal {found} into {what}")
        for part in ("op", "from", "path"):
            given = operation.get(part) if operation else None
            if not isinstance(given, str | None):
                found = gojson.kind(given)
                what = f"Go struct field jsonPatchOp.{part} of type string"
                raise status.bad_request(f"error decoding patch: json: cannot unmarshal {found} into {what}")
    if (count := len(value or [])) > MAX_OPERATIONS:
        raise status.too_many_operations(MAX_OPERATIONS, count)


def _json_patch(obj: Object, operations: list[Any]) -> Any:
    """What came of the operations, which may have built something too deep."""
    return decoding.plain(json_patch(obj, operations), nodes=BODY_LIMIT)


def _applied(patch: Callable[[Any, Any], Any], obj: Object, changes: Any) -> Object:
    try:
        patched = patch(obj, changes)
    except (PatchError, ValueError) as error:
        raise status.rejected() from error
    if not isinstance(patched, dict):
        raise status.rejected()
    return patched
