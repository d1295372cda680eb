"""The schema documents: `/openapi/v3` per group and version, and `/openapi/v2` as a whole."""

from __future__ import annotations

import json
import re
from functools import cache
from hashlib import sha256
from typing import Any

from labs.controlplane import schemas

from .discovery import group_versions
from .openapi_paths import META, V2_BASE, V3_BASE, paths, subresource_schema
from .resources import RESOURCES
from .version import VERSION

Object = dict[str, Any]
_FILE = "openapi.jsonl"
_REFERENCE = re.compile(rb'"#/components/schemas/([^"]+)"')


def _path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def v3_index() -> bytes:
    """Which documents there are; the hash lets clients keep them."""
    paths = {}
    for group, version in group_versions():
        path = _path(group, version)
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={_revision()}"}
    return _dump({"paths": paths})


@cache
def _revision() -> str:
    text = "".join(f"{r.schema}{r.verbs}{r.subresources}" for r in RESOURCES)
    return sha256((VERSION["gitVersion"] + text).encode()).hexdigest().upper()


def v3(path: str) -> bytes | None:
    """The document of one group and version, its definitions as the files have them."""
    found = [r for r in RESOURCES if _path(r.group, r.version) == path]
    if not found:
        return None
    described: Object = {}
    for resource in found:
        described |= paths(resource, schemas.names(_FILE), version3=True)
    roots = [schema for r in found for schema in (r.schema, r.schema + "List")]
    roots += [subresource_schema(sub) for r in found for sub in r.subresources]
    lines = (f'"{name}":'.encode() + schemas.raw(_FILE, name) for name in sorted(_closure(roots)))
    info = _dump({"title": "Kubernetes", "version": VERSION["gitVersion"]})
    return b"".join(
        (
            *(b'{"openapi":"3.0.0","info":', info, b',"paths":', _dump(described)),
            *(b',"components":{"schemas":{', b",".join(lines), b"}}}"),
        )
    )


def v2() -> bytes:
    """The one document of the older form."""
    described: Object = {}
    for resource in RESOURCES:
        described |= paths(resource, schemas.names(_FILE), version3=False)
    # Not kept: the document is large and rarely wanted.
    definitions = {name: _older(json.loads(schemas.raw(_FILE, name))) for name in schemas.names(_FILE)}
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return _dump({"swagger": "2.0", "info": info, "paths": described, "definitions": definitions})


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _closure(roots: list[str]) -> set[str]:
    known = schemas.names(_FILE)
    common = (META + kind for kind in ("DeleteOptions", "Status", "Patch", "WatchEvent"))
    pending, kept = [root for root in (*roots, *common) if root in known], set[str]()
    while pending:
        name = pending.pop()
        if name not in kept:
            kept.add(name)
            pending += [found.decode() for found in _REFERENCE.findall(schemas.raw(_FILE, name))]
    return kept


def _older(value: Any) -> Any:
    """A definition in the form of version 2: plain references, no defaults, one type for each value."""
    if isinstance(value, list):
        return [_older(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "oneOf" in value:
        formatted = {"format": value["format"]} if "format" in value else {}
        return {"description": value.get("description", ""), **formatted, "type": "string"}
    result = {key: _older(item) for key, item in value.items() if key not in ("default", "allOf", "$ref")}
    reference = value.get("$ref") or next((part["$ref"] for part in value.get("allOf", ())), None)
    if isinstance(reference, str):
        result["$ref"] = reference.replace(V3_BASE, V2_BASE)
    elif "properties" in value:
        result["properties"] = {name: _older(field) for name, field in value["properties"].items()}
    return result
