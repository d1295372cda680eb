"""How objects are shown to this client: whole, as rows of a table, or by their metadata only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labs.controlplane.http import Request

from . import status, tables
from .answers import STREAMED, YAML
from .codec import JSON_TYPES, accepted, dump
from .resources import Resource

Object = dict[str, Any]
_STREAMABLE = ("application/json", "application/*", "*/*", "")


@dataclass(frozen=True)
class Representation:
    """One way to show objects; hashable, so that encoded watch events can be shared by it."""

    #: "Table", "PartialObjectMetadata" or "" for the object itself.
    shape: str = ""
    #: With a table: how much of each object goes along ("Metadata", "Object", "None").
    include: str = "Metadata"

    def one(self, resource: Resource, obj: Object) -> Object:
        """A single object."""
        if self.shape == "Table":
            version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            return tables.table(resource, [obj], self.include, version)
        return _metadata_only(obj) if self.shape else obj

    def many(self, resource: Resource, objects: Sequence[Object], metadata: Object) -> Object:
        """A list."""
        if self.shape == "Table":
            return tables.table(resource, objects, self.include, metadata)
        if self.shape:
            items: Sequence[Object] = [_metadata_only(obj) for obj in objects]
            return _list("PartialObjectMetadata", "meta.k8s.io/v1", items, metadata)
        # Items of a list do not repeat what the list says of them.
        bare = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in objects]
        return _list(resource.kind, resource.group_version, bare, metadata)

    def event(self, resource: Resource, kind: str, obj: Object, *, first: bool) -> bytes:
        """A line of a watch; of a table's columns only the first one needs to tell."""
        shown = obj
        if self.shape == "Table" and kind != "BOOKMARK":
            version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            shown = tables.table(resource, [obj], self.include, version, headings=first)
        elif self.shape and kind != "BOOKMARK":
            shown = _metadata_only(obj)
        return dump({"type": kind, "object": shown})


def _list(kind: str, group_version: str, items: Sequence[Object], metadata: Object) -> Object:
    return {"kind": f"{kind}List", "apiVersion": group_version, "metadata": metadata, "items": items}


def _metadata_only(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def negotiate(request: Request, *, streamed: bool = False) -> Representation:
    """The first shape in the client's Accept header that is served. Raises a 406 when there is none."""
    kinds = _STREAMABLE if streamed else (*_STREAMABLE, YAML)
    for choice in accepted(request):
        if choice[""] not in kinds:
            continue
        shape = choice.get("as", "")
        if shape == "Table" and choice.get("g") == "meta.k8s.io" and choice.get("v") in ("v1", "v1beta1"):
            return Representation("Table", _included(request))
        if shape in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return Representation("PartialObjectMetadata")
        if not shape:
            return Representation()
    raise status.not_acceptable(STREAMED if streamed else JSON_TYPES)


def _included(request: Request) -> str:
    include = request.argument("includeObject") or "Metadata"
    if include not in ("Metadata", "Object", "None"):
        raise status.bad_request(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}": must be '
            "'Metadata', 'Object', 'None', or empty"
        )
    return include
