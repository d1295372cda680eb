"""The rows of what keeps pods running; mirrors `pkg/printers/internalversion/printers.go`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..meta import parse_time
from ._format import age, duration, labels, selector, since

Object = dict[str, Any]
NONE = "<none>"


def _containers(template: Object) -> tuple[str, str]:
    containers = (template.get("spec") or {}).get("containers") or []
    return ",".join(c.get("name", "") for c in containers), ",".join(c.get("image", "") for c in containers)


def deployment(obj: Object) -> list[Any]:
    """A Deployment."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = _containers(spec.get("template") or {})
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        str(status.get("updatedReplicas", 0)),
        str(status.get("availableReplicas", 0)),
        age(obj),
        names,
        images,
        selector(spec.get("selector")),
    ]


def replica_set(obj: Object) -> list[Any]:
    """A ReplicaSet, or a ReplicationController."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = _containers(spec.get("template") or {})
    plain = obj.get("kind") == "ReplicationController"
    return [
        obj["metadata"]["name"],
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj),
        names,
        images,
        labels(spec.get("selector")) if plain else selector(spec.get("selector")),
    ]


def daemon_set(obj: Object) -> list[Any]:
    """A DaemonSet."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = _containers(spec.get("template") or {})
    counts = (
        *("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled"),
        "numberAvailable",
    )
    return [
        obj["metadata"]["name"],
        *(status.get(count, 0) for count in counts),
        labels(((spec.get("template") or {}).get("spec") or {}).get("nodeSelector")),
        age(obj),
        names,
        images,
        selector(spec.get("selector")),
    ]


def stateful_set(obj: Object) -> list[Any]:
    """A StatefulSet."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [obj["metadata"]["name"], ready, age(obj), *_containers(spec.get("template") or {})]


def controller_revision(obj: Object) -> list[Any]:
    """A ControllerRevision and whose it is."""
    owner = next((o for o in obj["metadata"].get("ownerReferences") or [] if o.get("controller")), None)
    controller = NONE
    if owner is not None:
        group = owner["apiVersion"].partition("/")[0] if "/" in owner["apiVersion"] else ""
        kind = owner["kind"].lower() + (f".{group}" if group else "")
        controller = f"{kind}/{owner['name']}"
    return [obj["metadata"]["name"], controller, obj.get("revision", 0), age(obj)]


def pod_template(obj: Object) -> list[Any]:
    """A PodTemplate."""
    template = obj.get("template") or {}
    return [
        obj["metadata"]["name"],
        *_containers(template),
        labels((template.get("metadata") or {}).get("labels")),
    ]


def job(obj: Object) -> list[Any]:
    """A Job and how far it is."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    done = status.get("succeeded", 0)
    if spec.get("completions") is not None:
        completions = f"{done}/{spec['completions']}"
    else:
        parallel = spec.get("parallelism", 0)
        completions = f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"
    names, images = _containers(spec.get("template") or {})
    return [
        obj["metadata"]["name"],
        _job_state(obj, status),
        completions,
        _duration(status),
        age(obj),
        names,
        images,
        selector(spec.get("selector")),
    ]


def _job_state(obj: Object, status: Object) -> str:
    true = {c.get("type") for c in status.get("conditions") or [] if c.get("status") == "True"}
    if "Complete" in true:
        return "Complete"
    if "Failed" in true:
        return "Failed"
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    for condition, word in (
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
    ):
        if condition in true:
            return word
    return "Running"


def _duration(status: Object) -> str:
    start = parse_time(status.get("startTime") or "")
    if start is None:
        return ""
    end = parse_time(status.get("completionTime") or "") or datetime.now(UTC)
    return duration((end - start).total_seconds())


def cron_job(obj: Object) -> list[Any]:
    """A CronJob."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    names, images = _containers(template.get("template") or {})
    last = status.get("lastScheduleTime")
    return [
        obj["metadata"]["name"],
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or []),
        since(last) if last else NONE,
        age(obj),
        names,
        images,
        selector(template.get("selector")) if template.get("selector") is not None else NONE,
    ]
