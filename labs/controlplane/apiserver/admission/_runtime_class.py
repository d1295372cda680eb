"""RuntimeClass: what a pod's class adds to it (`plugin/pkg/admission/runtimeclass`)."""

from __future__ import annotations

from typing import Any

from .. import status

Object = dict[str, Any]


def admit(pod: Object, runtime_class: Object | None) -> None:
    """Give a pod its class's overhead and scheduling, in place; `runtime_class` is None if there is none."""
    spec, name = pod["spec"], pod["metadata"].get("name", "")
    wanted = spec.get("runtimeClassName")
    if wanted and runtime_class is None:
        raise _rejected(name, f'RuntimeClass "{wanted}" not found')
    overhead = ((runtime_class or {}).get("overhead") or {}).get("podFixed")
    if overhead is not None:
        if spec.get("overhead") not in (None, overhead):
            raise _rejected(name, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        spec["overhead"] = overhead
    scheduling = (runtime_class or {}).get("scheduling") or {}
    selector = spec.get("nodeSelector") or {}
    for key, value in sorted((scheduling.get("nodeSelector") or {}).items()):
        if selector.get(key, value) != value:
            why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
            why += f"pod.spec.nodeSelector[{key}] = {selector[key]}"
            raise status.forbidden("", "pods", name, why)
        spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), key: value}
    missing = [
        each for each in scheduling.get("tolerations") or [] if each not in (spec.get("tolerations") or [])
    ]
    if missing:
        spec["tolerations"] = [*(spec.get("tolerations") or []), *missing]


def check(pod: Object, runtime_class: Object | None) -> None:
    """Refuse overhead that no class has told; asked after a pod's own faults have been told."""
    overhead = ((runtime_class or {}).get("overhead") or {}).get("podFixed")
    if overhead is None and pod["spec"].get("overhead"):
        why = "Pod Overhead set without corresponding RuntimeClass defined Overhead"
        raise _rejected(pod["metadata"].get("name", ""), why)


def _rejected(name: str, why: str) -> status.APIError:
    return status.forbidden("", "pods", name, f"pod rejected: {why}")
