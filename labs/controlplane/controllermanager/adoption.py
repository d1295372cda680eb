"""Which objects a controller takes over, keeps and lets go (`pkg/controller/controller_ref_manager.go`).

An object belongs to the controller that its controller reference names. One that nobody controls and the
selector selects is adopted; one that is ours and that the selector no longer selects is released.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from labs.controlplane.client import STRATEGIC_MERGE_PATCH, ApiError, Client, Resource
from labs.core.selectors import selects

from .objects import Object, controller_of, controller_reference, is_going, uid_of


@dataclass(frozen=True)
class Claims:
    """What is the owner's, and what is to be done so that it is only that."""

    kept: list[Object] = field(default_factory=list)
    to_adopt: list[Object] = field(default_factory=list)
    to_release: list[Object] = field(default_factory=list)


def claim(owner: Object, selector: Object, objects: Iterable[Object]) -> Claims:
    """Sort the objects of the owner's namespace."""
    claims = Claims()
    for obj in objects:
        reference = controller_of(obj)
        matches = selects(selector, obj["metadata"].get("labels"))
        if reference is None:
            if matches and not is_going(owner) and not is_going(obj):
                claims.to_adopt.append(obj)
        elif reference["uid"] == uid_of(owner):
            if matches or is_going(owner):
                claims.kept.append(obj)
            else:
                claims.to_release.append(obj)
    return claims


def adoption(owner: Object, api_version: str, kind: str, obj: Object) -> Object:
    """The patch by which `owner` takes an object over, provided that it is still the same object."""
    reference = controller_reference(owner, api_version, kind)
    return {"metadata": {"ownerReferences": [reference], "uid": uid_of(obj)}}


def release(owner: Object, obj: Object) -> Object:
    """The patch by which `owner` lets an object go (`GenerateDeleteOwnerRefStrategicMergeBytes`)."""
    return {"metadata": {"uid": uid_of(obj), "ownerReferences": [{"$patch": "delete", "uid": uid_of(owner)}]}}


async def settle(
    client: Client, kind: Resource, owner: Object, dependents: Resource, objects: Iterable[Object]
) -> list[Object]:
    """Adopt and release what is to be; returns what is the owner's then. Raises `ApiError`."""
    claims = claim(owner, owner["spec"]["selector"], objects)
    kept = list(claims.kept)
    for obj in claims.to_adopt:
        patch = adoption(owner, kind.api_version, kind.kind, obj)
        kept += await _patched(client, dependents, obj, patch)
    for obj in claims.to_release:
        await _patched(client, dependents, obj, release(owner, obj))
    return kept


async def _patched(client: Client, kind: Resource, obj: Object, patch: Object) -> list[Object]:
    """The object as it is after the patch; nothing when it is gone, or another has its name."""
    metadata = obj["metadata"]
    try:
        new = await client.patch(
            kind, metadata["namespace"], metadata["name"], patch, kind=STRATEGIC_MERGE_PATCH
        )
    except ApiError as error:
        if error.code in (404, 409, 422):
            return []
        raise
    return [new]
