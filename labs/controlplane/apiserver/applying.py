"""Server-side apply requests: what is wrong with one is said before anything is merged."""

from __future__ import annotations

from typing import Any

from labs.core.field import required
from labs.golang import gojson

from . import codec, managedfields, status
from .context import Context
from .resources import Resource

Object = dict[str, Any]
CONTENT_TYPE = "application/apply-patch+yaml"


def configuration(ctx: Context, resource: Resource) -> Object:
    """The configuration that a request applies. Raises a Status for what cannot be applied."""
    request = ctx.request
    if not request.argument("fieldManager"):
        error = required("fieldManager", "is required for apply patch")
        raise status.invalid_object("meta.k8s.io", "PatchOptions", "", [error])
    config = _read(request.body)
    metadata = config.get("metadata")
    given: Object = metadata if isinstance(metadata, dict) else {}
    if _gvk(config) != _type(resource.group_version, resource.kind):
        raise status.bad_request(f"invalid object type: {_gvk(config)}")
    if isinstance(given.get("managedFields"), list):
        raise status.bad_request("metadata.managedFields must be nil")
    try:
        managedfields.check("#" + resource.schema, config)
    except managedfields.TypedError as error:
        raise _failed("create typed patch object", config, "", str(error)) from error
    config["apiVersion"] = resource.group_version
    config["metadata"] = given
    return config


def unconverted(config: Object, why: str) -> status.APIError:
    """What was applied is as the schema has it and still none of the kind."""
    unable = f"unable to convert unstructured object to {_gvk(config)}"
    return _failed("convert new object", config, " to proper version", f"{unable}: {why}")


def _failed(what: str, config: Object, to: str, why: str) -> status.APIError:
    metadata = config.get("metadata")
    where = "/".join(_string(metadata, part) for part in ("namespace", "name"))
    return status.APIError(500, "", f"failed to {what} ({where}; {_gvk(config)}){to}: {why}")


def _read(body: bytes) -> Object:
    try:
        value = codec.parse(body, CONTENT_TYPE)
    except ValueError as error:
        raise status.bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from error
    if not isinstance(value, dict | None):
        found = gojson.kind(value)
        why = f"json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        raise status.bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    return value or {}


def _gvk(config: Object) -> str:
    """The kind that an object says it is; of a version that is none, the empty one."""
    version = _string(config, "apiVersion").removeprefix("/")
    return "/, Kind=" if version.count("/") > 1 else _type(version, _string(config, "kind"))


def _type(version: str, kind: str) -> str:
    """A kind as Go writes a GroupVersionKind."""
    return f"{version if '/' in version else '/' + version}, Kind={kind}"


def _string(value: Any, part: str) -> str:
    """A part that is text; as Go's unstructured objects have it, all else is none."""
    found = value.get(part) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def applied(ctx: Context, resource: Resource, current: Object | None, config: Object) -> Object:
    """The object with the configuration applied. Raises a 409 for what others manage."""
    manager = managedfields.Manager(
        ctx.field_manager, managedfields.APPLY, resource.group_version, ctx.target.subresource
    )
    force = ctx.request.flag("force")
    return managedfields.applied(resource, current, config, manager, force=force)
