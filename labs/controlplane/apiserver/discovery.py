"""Which kinds there are: legacy discovery (`/api`, `/apis`, `/apis/GROUP/VERSION`) and the newer form."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Any

from .resources import RESOURCES, Resource

Object = dict[str, Any]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@cache
def group_versions() -> tuple[tuple[str, str], ...]:
    """Groups and their versions, in the order in which they are listed; the core group first."""
    return tuple(dict.fromkeys((r.group, r.version) for r in RESOURCES))


def core_versions(address: str) -> Object:
    """`/api`."""
    server = {"clientCIDR": "0.0.0.0/0", "serverAddress": address}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [server]}


def group_list() -> Object:
    """`/apis`."""
    groups = [_group(group, version) for group, version in group_versions() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(name: str) -> Object | None:
    """`/apis/GROUP`."""
    versions = [version for found, version in group_versions() if found == name and name]
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions[0])} if versions else None


def _group(name: str, version: str) -> Object:
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def resource_list(group: str, version: str) -> Object | None:
    """`/api/v1`, `/apis/GROUP/VERSION`."""
    found = [r for r in RESOURCES if (r.group, r.version) == (group, version)]
    if not found:
        return None
    entries = [entry for resource in found for entry in _entries(resource)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].group_version,
        "resources": sorted(entries, key=lambda entry: str(entry["name"])),
    }


def _storage_version(resource: Resource) -> str:
    """By this clients see that objects are stored in another version than before."""
    text = f"{resource.group}/{resource.version}/{resource.kind}"
    return b64encode(sha256(text.encode()).digest()[:8]).decode()


def _entries(resource: Resource) -> list[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if "watch" in resource.verbs:  # what is not stored is not watched
        entry["storageVersionHash"] = _storage_version(resource)
    entries = [entry]
    for sub in resource.subresources:
        part: Object = {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": sub.kind,
            "verbs": list(sub.verbs),
        }
        if sub.group:
            part |= {"group": sub.group, "version": sub.version}
        entries.append(part)
    return entries


def aggregated(*, core: bool) -> Object:
    """All kinds in one document: the core group's under `/api`, the others' under `/apis`."""
    groups = [(g, v) for g, v in group_versions() if (g == "") == core]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_aggregated_group(group, version) for group, version in groups],
    }


def _aggregated_group(group: str, version: str) -> Object:
    resources = [_aggregated_resource(r) for r in RESOURCES if (r.group, r.version) == (group, version)]
    versions = [{"version": version, "resources": resources, "freshness": "Current"}]
    return {"metadata": {"name": group} if group else {}, "versions": versions}


def _aggregated_resource(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        # An empty group or version stands for those that the list is of.
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
                "verbs": list(sub.verbs),
            }
            for sub in resource.subresources
        ]
    return entry
