"""Server-side apply requests: what is wrong with one is said before anything is merged."""

from __future__ import annotations

from typing import Any

from . import codec, managedfields, status
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
    config = codec.as_object(codec.parse(request.body, CONTENT_TYPE))
    given = config.get("apiVersion", ""), config.get("kind", "")
    if given != (resource.group_version, resource.kind):
        raise status.bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): expected "
            f"{resource.group_version} {resource.kind}, got {given[0]} {given[1]}"
        )
    metadata = config.setdefault("metadata", {})
    if not isinstance(metadata, dict) or metadata.get("managedFields"):
        raise status.bad_request("metadata.managedFields must be nil")
    if metadata.setdefault("name", target.name) != target.name:
        raise status.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
        )
    where = f"{target.namespace}/{target.name}" if target.namespace else f"/{target.name}"
    group_version = resource.group_version
    try:
        managedfields.check("#" + resource.schema, config)
    except managedfields.TypedError as error:
        message = (
            f"failed to create typed patch object ({where}; {group_version}, Kind={resource.kind}): {error}"
        )
        raise status.APIError(500, "", message) from error
    return config


def applied(ctx: Context, resource: Resource, current: Object | None, config: Object) -> Object:
    """The object with the configuration applied. Raises a 409 for what others manage."""
    manager = managedfields.Manager(
        ctx.field_manager, managedfields.APPLY, resource.group_version, ctx.target.subresource
    )
    force = ctx.request.flag("force")
    return managedfields.applied(resource, current, config, manager, force=force)
