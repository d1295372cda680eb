"""The paths of the schema documents: which requests a kind takes, with which parameters and bodies.

Mirrors what `k8s.io/apiserver/pkg/endpoints/installer.go` registers, for both versions of OpenAPI.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .codec import JSON_TYPES, PATCH_TYPES
from .resources import Resource, Subresource

Object = dict[str, Any]
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
V2_BASE, V3_BASE = "#/definitions/", "#/components/schemas/"
_WRITING = ("dryRun", "fieldManager", "fieldValidation")
_DELETING = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_LISTING = (
    *("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion"),
    *("resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch"),
)
#: Query parameters that are no strings.
_TYPES = dict.fromkeys(("gracePeriodSeconds", "limit", "timeoutSeconds"), "integer") | dict.fromkeys(
    ("allowWatchBookmarks", "force", "orphanDependents", "sendInitialEvents", "watch"), "boolean"
)
#: A verb's method, its `x-kubernetes-action` and its query parameters, of one object or of all.
_SINGLE = {
    "get": ("get", "get", ()),
    "update": ("put", "put", _WRITING),
    "patch": ("patch", "patch", (*_WRITING, "force")),
    "delete": ("delete", "delete", _DELETING),
}
_ALL = {
    "list": ("get", "list", _LISTING),
    "create": ("post", "post", _WRITING),
    "deletecollection": ("delete", "deletecollection", (*_DELETING, *_LISTING)),
}
Verbs = Mapping[str, tuple[str, str, tuple[str, ...]]]


@dataclass(frozen=True)
class _Form:
    """One of the versions of OpenAPI, and the definitions there are."""

    version3: bool
    known: frozenset[str]

    def reference(self, schema: str) -> Object | None:
        """Where a definition is, if there is one."""
        return {"$ref": (V3_BASE if self.version3 else V2_BASE) + schema} if schema in self.known else None

    def parameter(self, name: str, where: str = "query") -> Object:
        """A parameter of the query or of the path."""
        kind: Object = {"type": _TYPES.get(name, "string"), "uniqueItems": True}
        required = {"required": True} if where == "path" else {}
        return {"name": name, "in": where, **required, **({"schema": kind} if self.version3 else kind)}

    def body(self, schema: str, types: Iterable[str]) -> Object:
        """What an operation says of the body it takes."""
        if (reference := self.reference(schema)) is None:
            return {}
        if self.version3:
            return {"requestBody": {"content": {kind: {"schema": reference} for kind in types}}}
        return {"consumes": list(types), "body": reference}

    def answer(self, schema: str) -> Object:
        """What an operation says of the answer it gives."""
        reference = self.reference(schema)
        if reference is None:
            return {"responses": {"200": {"description": "OK"}}}
        if self.version3:
            content: Object = {"content": {"application/json": {"schema": reference}}}
        else:
            content = {"schema": reference}
        return {"responses": {"200": {"description": "OK", **content}}}


def paths(resource: Resource, known: frozenset[str], *, version3: bool) -> Object:
    """The paths of a kind and of its subresources."""
    form = _Form(version3, known)
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    everywhere = f"{root}/{resource.plural}"
    place = f"{root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else everywhere
    single = f"{place}/{{name}}"
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    found = {
        place: _item(form, place, _ALL, resource.verbs, resource.schema, kind),
        single: _item(form, single, _SINGLE, resource.verbs, resource.schema, kind),
    }
    if resource.namespaced and "list" in resource.verbs:
        found[everywhere] = _item(form, everywhere, _ALL, ("list",), resource.schema, kind)
    for sub in resource.subresources:
        path = f"{single}/{sub.name}"
        schema = resource.schema if sub.kind == resource.kind else subresource_schema(sub)
        sub_kind = {
            "group": sub.group or resource.group,
            "version": sub.version or resource.version,
            "kind": sub.kind,
        }
        found[path] = _item(form, path, {**_ALL, **_SINGLE}, sub.verbs, schema, sub_kind)
    return {path: item for path, item in found.items() if len(item) > 1}


def subresource_schema(sub: Subresource) -> str:
    """The name of the definition of a subresource's kind, where that is not the resource's own."""
    return f"io.k8s.api.{sub.group.partition('.')[0] or 'core'}.{sub.version or 'v1'}.{sub.kind}"


def _item(form: _Form, path: str, of: Verbs, verbs: Iterable[str], schema: str, kind: Object) -> Object:
    placed = [name for name in ("name", "namespace") if f"{{{name}}}" in path]
    item: Object = {"parameters": [form.parameter(name, "path") for name in placed]}
    for verb, (method, action, options) in of.items():
        if verb in verbs:
            item[method] = _operation(form, action, options, schema, kind)
    return item


def _operation(form: _Form, action: str, options: tuple[str, ...], schema: str, kind: Object) -> Object:
    match action:
        case "put" | "post":
            body, answer = form.body(schema, JSON_TYPES[:2]), schema
        case "patch":
            body, answer = form.body(META + "Patch", PATCH_TYPES), schema
        case "delete" | "deletecollection":
            body, answer = form.body(META + "DeleteOptions", JSON_TYPES[:2]), META + "Status"
        case "list":
            body, answer = {}, schema + "List"
        case _:
            body, answer = {}, schema
    parameters = [form.parameter(name) for name in (*options, *(("pretty",) if options else ()))]
    if "body" in body:
        parameters.append({"name": "body", "in": "body", "schema": body.pop("body")})
    return {
        "parameters": parameters,
        **body,
        **form.answer(answer),
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind,
    }
