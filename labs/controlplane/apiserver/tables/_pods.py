"""The row of a pod: what its containers do, in one word; mirrors `printPod`."""

from __future__ import annotations

from typing import Any

from ._format import age, since

Object = dict[str, Any]
NONE = "<none>"


def cells(pod: Object) -> list[Any]:
    """Name, readiness, state, restarts, age; and where it runs."""
    spec, state = pod["spec"], pod.get("status") or {}
    reason = state.get("reason") or state.get("phase") or ""
    sidecars = {
        container["name"]
        for container in spec.get("initContainers") or []
        if container.get("restartPolicy") == "Always"
    }
    if state.get("phase") == "Pending" and _is_gated(state):
        reason = "SchedulingGated"
    total = len(spec.get("containers") or []) + len(sidecars)
    initial, ready, restarts, last_restart = _initial(spec, state, sidecars)
    if initial:
        reason = initial
    if not initial or _initialized(state):
        running, more_ready, more_restarts, last = _containers(state)
        ready += more_ready
        restarts += more_restarts
        last_restart = max(last_restart, last)
        if running.word:
            reason = running.word
        if reason == "Completed" and running.any_running:
            reason = "Running" if _ready_condition(state) else "NotReady"
    if "deletionTimestamp" in pod["metadata"]:
        reason = "Unknown" if state.get("reason") == "NodeLost" else reason
        if reason != "Unknown" and state.get("phase") not in ("Failed", "Succeeded"):
            reason = "Terminating"
    shown = f"{restarts} ({since(last_restart)} ago)" if restarts and last_restart else str(restarts)
    gates = spec.get("readinessGates") or []
    passed = sum(
        any(
            c["type"] == gate["conditionType"] and c["status"] == "True"
            for c in state.get("conditions") or []
        )
        for gate in gates
    )
    addresses = state.get("podIPs") or []
    return [
        pod["metadata"]["name"],
        f"{ready}/{total}",
        reason,
        shown,
        age(pod),
        addresses[0].get("ip", NONE) if addresses else state.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        state.get("nominatedNodeName") or NONE,
        f"{passed}/{len(gates)}" if gates else NONE,
    ]


class _Running:
    def __init__(self) -> None:
        self.word = ""
        self.any_running = False


def _initial(spec: Object, state: Object, sidecars: set[str]) -> tuple[str, int, int, str]:
    """What the init containers say, while they are not done."""
    ready, restarts, last = 0, 0, ""
    for index, container in enumerate(state.get("initContainerStatuses") or []):
        restarts += container.get("restartCount", 0)
        last = max(last, _finished(container.get("lastState")))
        current = container.get("state") or {}
        terminated, waiting = current.get("terminated"), current.get("waiting")
        if terminated is not None and terminated.get("exitCode") == 0:
            continue
        if container["name"] in sidecars and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            return "Init:" + _ending(terminated), ready, restarts, last
        if waiting is not None and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}", ready, restarts, last
        return f"Init:{index}/{len(spec.get('initContainers') or [])}", ready, restarts, last
    return "", ready, restarts, last


def _containers(state: Object) -> tuple[_Running, int, int, str]:
    running, ready, restarts, last = _Running(), 0, 0, ""
    for container in reversed(state.get("containerStatuses") or []):
        restarts += container.get("restartCount", 0)
        last = max(last, _finished(container.get("lastState")))
        current = container.get("state") or {}
        waiting, terminated = current.get("waiting"), current.get("terminated")
        if waiting is not None and waiting.get("reason"):
            running.word = waiting["reason"]
        elif terminated is not None:
            running.word = _ending(terminated)
        elif current.get("running") is not None and container.get("ready"):
            running.any_running = True
            ready += 1
    return running, ready, restarts, last


def _ending(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _finished(last_state: Object | None) -> str:
    return ((last_state or {}).get("terminated") or {}).get("finishedAt") or ""


def _condition(state: Object, kind: str) -> Object | None:
    return next((c for c in state.get("conditions") or [] if c.get("type") == kind), None)


def _initialized(state: Object) -> bool:
    return (_condition(state, "Initialized") or {}).get("status") == "True"


def _ready_condition(state: Object) -> bool:
    return (_condition(state, "Ready") or {}).get("status") == "True"


def _is_gated(state: Object) -> bool:
    return (_condition(state, "PodScheduled") or {}).get("reason") == "SchedulingGated"
