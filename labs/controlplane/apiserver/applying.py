"""Server-side apply requests: what is wrong with one is said before anything is merged."""

from __future__ import annotations

from typing import Any

from . import codec, decoding, managedfields, status
from .context import Context
from .resources import Resource

Object = dict[str, Any]
CONTENT_TYPE = "application/apply-patch+yaml"


def configuration(ctx: Context, resource: Resource) -> Object:
    """The configuration that a request applies. Raises a Status for what cannot be applied."""
    request, target = ctx.request, ctx.target
    if not request.argument("fieldManager"):
        error = status.required("fieldManager", "is required for apply patch")
        raise status.invalid_object("meta.k8s.io", "PatchOptions", "", [error])
    config = _read(request.body)
    version, kind = config.get("apiVersion", ""), config.get("kind", "")
    if (version, kind) != (resource.group_version, resource.kind):
        raise status.bad_request(f"invalid object type: {_type(version, kind)}")
    metadata = config.get("metadata")
    given: Object = metadata if isinstance(metadata, dict) else {}
    if given.get("managedFields"):
        raise status.bad_request("metadata.managedFields must be nil")
    where = f"{given.get('namespace') or ''}/{given.get('name') or ''}"
    try:
        managedfields.check("#" + resource.schema, config)
    except managedfields.TypedError as error:
        about = f"failed to create typed patch object ({where}; {_type(version, kind)})"
        raise status.APIError(500, "", f"{about}: {error}") from error
    config["metadata"] = given
    name = given.setdefault("name", target.name)
    if name != target.name:
        raise status.other_name(name, target.name)
    return config


def _read(body: bytes) -> Object:
    try:
        value = codec.parse(body, CONTENT_TYPE)
    except ValueError as error:
        raise status.bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from error
    if not isinstance(value, dict | None):
        found = decoding.kind_of(value)
        why = f"json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        raise status.bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    return value or {}


def _type(version: str, kind: str) -> str:
    """A kind as Go writes a GroupVersionKind."""
    return f"{version if '/' in version else '/' + version}, Kind={kind}"


def applied(ctx: Context, resource: Resource, current: Object | None, config: Object) -> Object:
    """The object with the configuration applied. Raises a 409 for what others manage."""
    manager = managedfields.Manager(
        ctx.field_manager, managedfields.APPLY, resource.group_version, ctx.target.subresource
    )
    force = ctx.request.flag("force")
    return managedfields.applied(resource, current, config, manager, force=force)
