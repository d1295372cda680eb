"""What kinds the API server has, for the controllers that deal with all of them."""

from __future__ import annotations

from dataclasses import dataclass

from labs.controlplane.client import ApiError, Client, Resource


@dataclass(frozen=True)
class Found:
    """A kind and what can be done with it."""

    resource: Resource
    verbs: frozenset[str]


async def discover(client: Client) -> list[Found]:
    """All kinds, each in the version that its group prefers. Raises `ApiError`."""
    groups = (await client.request("GET", "/apis")).get("groups") or []
    versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]
    found: list[Found] = []
    for group_version in versions:
        path = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
        try:
            listed = await client.request("GET", path)
        except ApiError as error:
            if error.not_found:
                continue
            raise
        group, _, version = group_version.rpartition("/")
        found += [
            Found(
                Resource(group, version, item["name"], item["kind"], bool(item["namespaced"])),
                frozenset(item["verbs"]),
            )
            for item in listed.get("resources") or []
            if "/" not in item["name"]
        ]
    return found
