"""The scale of a workload: its number of replicas as `autoscaling/v1` Scale, for `kubectl scale`."""

from __future__ import annotations

from typing import Any

from labs.core.field import invalid

from . import status
from .resources import Resource
from .tables import selector_text

Object = dict[str, Any]
SCALE = Resource("scales", "Scale", "autoscaling")


def view(obj: Object) -> Object:
    """The scale of an object."""
    metadata = obj["metadata"]
    parts = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    replicas = spec.get("replicas", 0)
    shown: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {part: metadata[part] for part in parts if part in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {"replicas": state.get("replicas", 0)},
    }
    if text := selector_text(spec.get("selector"), obj["kind"]):
        shown["status"]["selector"] = text
    return shown


def applied(resource: Resource, obj: Object, scale: Object) -> Object:
    """The object with the replicas of a scale. Raises a 422 for a number that cannot be."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        error = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise status.invalid_object("autoscaling", "Scale", obj["metadata"]["name"], [error])
    metadata = scale.get("metadata") or {}
    uid = metadata.get("uid")
    if uid and uid != obj["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {obj['metadata']['uid']}"
        raise status.conflict(resource.group, resource.plural, obj["metadata"]["name"], why)
    if version := metadata.get("resourceVersion"):
        obj["metadata"]["resourceVersion"] = version
    obj["spec"]["replicas"] = replicas
    return obj
