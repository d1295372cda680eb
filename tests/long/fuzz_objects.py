"""Objects of any kind, made by the kinds' own structure: any field may be there, mostly fitting."""

from __future__ import annotations

from random import Random
from typing import Any

from labs.controlplane.apiserver.resources import Resource
from labs.controlplane.apiserver.schema import definition

#: How often a field is there at all, by how deep it is; required ones nearly always are.
_PRESENT = (0.9, 0.5, 0.4, 0.35, 0.3, 0.3, 0.25)
_MAX_DEPTH = len(_PRESENT)
_WRONG = (None, "", "x", 0, -1, True, [], {}, [{}], {"x": {}}, 1 << 40, 1.5, [None])
_TEXTS = (
    *("a", "b", "c", "", "x.y/z", "A_B", "10.0.0.1", "TCP", "*", "a.b.c", "v1", "Always", "Never", "80%"),
    *("2026-01-01T00:00:00Z", "100m", "1Gi", "kubernetes.io/hostname", "Exists", "In", "True", "ClusterIP"),
    *("0 0 * * *", "apps/v1", "Deployment", "None", "RollingUpdate", "Recreate", "é"),
)
_POD = {"containers": [{"name": "c", "image": "x"}]}
_LABELS = {"a": "b"}
_TEMPLATE = {"metadata": {"labels": _LABELS}, "spec": _POD}
_WORKLOAD = {"selector": {"matchLabels": _LABELS}, "template": _TEMPLATE}
_JOB = {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}
_ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
#: What the kinds that are hard to guess must have at least.
LEAST: dict[str, dict[str, Any]] = {
    "Pod": {"spec": _POD},
    "PodTemplate": {"template": _TEMPLATE},
    "ReplicationController": {"spec": {"selector": _LABELS, "template": _TEMPLATE}},
    **{kind: {"spec": _WORKLOAD} for kind in ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")},
    "Job": {"spec": _JOB},
    "CronJob": {"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": _JOB}}},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    **{kind: {"roleRef": _ROLE} for kind in ("RoleBinding", "ClusterRoleBinding")},
    "StorageClass": {"provisioner": "a.b"},
    "EndpointSlice": {"addressType": "IPv4"},
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "PersistentVolume": {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": "/x"},
        }
    },
    "Event": {"involvedObject": {"namespace": "fuzz"}, "metadata": {"namespace": "fuzz"}},
}
_NUMBERS = (0, 1, 2, 80, 443, 30000, 65535, 65536, -1, 1 << 31)


def body(resource: Resource, chance: Random) -> dict[str, Any]:
    """An object of that kind, or what somebody might take for one."""
    made: dict[str, Any] = _value("#" + resource.schema, chance, 0)
    metadata = made.get("metadata")
    if isinstance(metadata, dict) and chance.random() < 0.9:
        for part in ("namespace", "generateName", "uid", "resourceVersion", "finalizers", "managedFields"):
            metadata.pop(part, None)
        metadata["name"] = chance.choice(("a", "b", "c"))
    if chance.random() < 0.95:
        made.update(kind=resource.kind, apiVersion=resource.group_version)
    return made


def least(resource: Resource, name: str) -> dict[str, Any]:
    """An object of that kind with nothing but what it must have."""
    return {**LEAST.get(resource.kind, {}), "metadata": {"name": name}}


def _value(kind: Any, chance: Random, depth: int) -> Any:
    if depth and chance.random() < 0.006:
        return chance.choice(_WRONG)
    if isinstance(kind, dict):
        count = chance.choice((0, 1, 1, 2)) if depth < _MAX_DEPTH else 0
        if "list" in kind:
            return [_value(kind["list"], chance, depth + 1) for _ in range(count)]
        return {chance.choice(_TEXTS): _value(kind["map"], chance, depth + 1) for _ in range(count)}
    if kind.startswith("#"):
        return _struct(kind[1:], chance, depth)
    match kind:
        case "integer" | "int32" | "int64" | "number":
            return chance.choice(_NUMBERS)
        case "boolean":
            return chance.random() < 0.5
        case "time":
            return "2026-01-01T00:00:00Z"
        case "micro-time":
            return "2026-01-01T00:00:00.000000Z"
        case "quantity":
            return chance.choice(("1", "100m", "1Gi", "0", "-1", "1e3"))
        case "int-or-string":
            return chance.choice((1, 0, 8080, "50%", "http", "x%", -1))
        case "byte":
            return chance.choice(("", "YQ==", "e30="))
        case "any":
            return chance.choice(({}, {"a": "b"}, [], "x", 1))
    return chance.choice(_TEXTS)


def _struct(name: str, chance: Random, depth: int) -> dict[str, Any]:
    if depth >= _MAX_DEPTH:
        return {}
    found = definition(name)
    required = found.get("required", ())
    return {
        field: _value(kind, chance, depth + 1)
        for field, kind in found["fields"].items()
        if chance.random() < (0.95 if field in required else _PRESENT[depth])
    }
