"""Records of the API server about itself, as a real one has them: its APIServices, and its flow control.

Nothing here goes by them: what is served is fixed, and who is served first is told in `flowcontrol`.
"""

from __future__ import annotations

import asyncio
import json
from importlib import resources as files
from typing import Any

from . import meta
from .discovery import group_versions
from .resources import RESOURCES, Resource
from .storage import Storage

Object = dict[str, Any]
#: Groups of which nothing is stored: reviews.
_ANSWERED = ("authentication.k8s.io", "authorization.k8s.io")


async def make_missing(storage: Storage) -> None:
    """Make those that are not there."""
    wanted = _wanted()
    prefixes = {key.rpartition("/")[0] + "/" for key in wanted}
    found = await asyncio.gather(*(storage.list(prefix) for prefix in prefixes))
    present = {stored.key for page in found for stored in page.items}
    if missing := {key: obj for key, obj in wanted.items() if key not in present}:
        await storage.create_missing(missing)


def _wanted() -> dict[str, Object]:
    """The objects by key, as if made now."""
    now = meta.now()
    text = files.files("labs.controlplane.schemas").joinpath("initial.json").read_bytes()
    wanted = {}
    for obj in filter(_is_served, json.loads(text)):
        obj["metadata"] |= {"uid": meta.new_uid(), "creationTimestamp": now}
        for condition in obj["status"].get("conditions", []):
            condition["lastTransitionTime"] = now
        wanted[_resource(obj).key("", obj["metadata"]["name"])] = obj
    return wanted


def _is_served(obj: Object) -> bool:
    """Of the APIServices those whose groups there are."""
    if obj["kind"] != "APIService":
        return True
    group, version = obj["spec"].get("group", ""), obj["spec"]["version"]
    return group in _ANSWERED or (group, version) in group_versions()


def _resource(obj: Object) -> Resource:
    return next(r for r in RESOURCES if r.kind == obj["kind"] and r.group_version == obj["apiVersion"])
