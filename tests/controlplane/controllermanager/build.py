"""Objects for specifications, as small as they can be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, 18, 0, 0, tzinfo=UTC)
LONG_AGO = "2026-11-23T10:00:00Z"


def deployment(replicas: int = 3, **spec: Any) -> Object:
    """A Deployment `web`."""
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "web:1"}]},
    }
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            **spec,
        },
    }


def replica_set(
    name: str, replicas: int, available: int | None = None, *, image: str = "web:1", **metadata: Any
) -> Object:
    """A ReplicaSet of `web` that has settled, unless told otherwise."""
    is_available = replicas if available is None else available
    counts = {"replicas": replicas, "readyReplicas": is_available, "availableReplicas": is_available}
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "creationTimestamp": LONG_AGO,
            **metadata,
        },
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"labels": {"app": "web", "pod-template-hash": name}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
        "status": counts,
    }


def pod(
    name: str, *, phase: str = "Running", ready: bool | str = True, node: str = "n1", **changes: Any
) -> Object:
    """A pod; `ready` may be the time since when it is."""
    since = ready if isinstance(ready, str) else LONG_AGO
    conditions = [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}]
    result: Object = {
        "metadata": {"name": name, "namespace": "default", "uid": name, "creationTimestamp": LONG_AGO},
        "spec": {"nodeName": node, "containers": [{"name": "c"}]}
        if node
        else {"containers": [{"name": "c"}]},
        "status": {"phase": phase, "conditions": conditions},
    }
    for part, values in changes.items():
        result[part] = {**result.get(part, {}), **values}
    return result
