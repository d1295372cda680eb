"""The schema documents: `/openapi/v3` per group and version, and `/openapi/v2` as a whole."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from importlib import resources as files
from typing import Any

from .discovery import group_versions
from .resources import RESOURCES, Resource

Object = dict[str, Any]
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
#: Query parameters that clients look for before they use them.
_WRITING = ("dryRun", "fieldManager", "fieldValidation", "pretty")


def _definitions() -> Object:
    """Read when asked for and not kept: the documents are rarely wanted, and large."""
    definitions: Object = json.loads(
        files.files("labs.controlplane.schemas").joinpath("openapi.json").read_bytes()
    )
    return definitions


def _path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


@cache
def _revision() -> str:
    return (
        sha256(files.files("labs.controlplane.schemas").joinpath("openapi.json").read_bytes())
        .hexdigest()
        .upper()
    )


def v3_index() -> Object:
    """Which documents there are; the hash lets clients keep them."""
    paths = {}
    for group, version in group_versions():
        path = _path(group, version)
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={_revision()}"}
    return {"paths": paths}


def v3(path: str) -> Object | None:
    """The document of one group and version."""
    found = [r for r in RESOURCES if _path(r.group, r.version) == path]
    if not found:
        return None
    definitions = _definitions()
    roots = [r.schema for r in found] + [r.schema + "List" for r in found]
    kept = _closure(
        definitions, [*roots, META + "DeleteOptions", META + "Status", META + "Patch", META + "WatchEvent"]
    )
    schemas = _rebased({name: definitions[name] for name in kept}, "#/components/schemas/")
    paths: Object = {}
    for resource in found:
        paths |= _paths(resource, "#/components/schemas/", version3=True)
    info = {"title": "Kubernetes", "version": "v1.36.2"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def v2() -> Object:
    """The one document of the older form."""
    paths: Object = {}
    for resource in RESOURCES:
        paths |= _paths(resource, "#/definitions/", version3=False)
    info = {"title": "Kubernetes", "version": "v1.36.2"}
    return {"swagger": "2.0", "info": info, "paths": paths, "definitions": _definitions()}


def _closure(definitions: Object, roots: list[str]) -> set[str]:
    pending, kept = [root for root in roots if root in definitions], set[str]()
    while pending:
        name = pending.pop()
        if name not in kept:
            kept.add(name)
            pending += _references(definitions[name])
    return kept


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _references(item)]
    if not isinstance(value, dict):
        return []
    found = [value["$ref"].rpartition("/")[2]] if isinstance(value.get("$ref"), str) else []
    return found + [name for item in value.values() for name in _references(item)]


def _rebased(value: Any, base: str) -> Any:
    """References in the form of version 3, which are alone in their object or in an allOf."""
    if isinstance(value, list):
        return [_rebased(item, base) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str):
        reference = {"$ref": base + value["$ref"].rpartition("/")[2]}
        rest = {key: item for key, item in value.items() if key != "$ref"}
        return {**rest, "allOf": [reference]} if rest else reference
    return {key: _rebased(item, base) for key, item in value.items()}


def _paths(resource: Resource, base: str, *, version3: bool) -> Object:
    root = f"/{_path(resource.group, resource.version)}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}

    def operation(action: str, schema: str, parameters: tuple[str, ...] = ()) -> Object:
        reference = {"$ref": base + schema}
        content = (
            {"content": {"application/json": {"schema": reference}}} if version3 else {"schema": reference}
        )
        return {
            "parameters": [_parameter(name, version3=version3) for name in parameters],
            "responses": {"200": {"description": "OK", **content}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
        }

    verbs, kind = resource.verbs, resource.schema
    collection: Object = {"get": operation("list", kind + "List")}
    if "create" in verbs:
        collection["post"] = operation("post", kind, _WRITING)
    single: Object = {"get": operation("get", kind)}
    if "update" in verbs:
        single["put"] = operation("put", kind, _WRITING)
    if "patch" in verbs:
        single["patch"] = operation("patch", kind, (*_WRITING, "force"))
    if "delete" in verbs:
        single["delete"] = operation(
            "delete", META + "Status", ("dryRun", "gracePeriodSeconds", "propagationPolicy")
        )
    path = f"{root}{scope}/{resource.plural}"
    return {path: collection, f"{path}/{{name}}": single}


def _parameter(name: str, *, version3: bool) -> Object:
    kind = {"force": "boolean", "gracePeriodSeconds": "integer"}.get(name, "string")
    typed: Object = (
        {"schema": {"type": kind, "uniqueItems": True}} if version3 else {"type": kind, "uniqueItems": True}
    )
    return {"name": name, "in": "query", **typed}
