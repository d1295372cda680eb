"""A pod's phase and conditions (`getPhase` in `kubelet_pods.go`, `pkg/kubelet/status/generate.go`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labs.kubelet.actions import restarts_after, sandbox_changed
from labs.kubelet.events import timestamp
from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.runtime_status import PodStatus, State

Json = dict[str, Any]
Entries = Mapping[str, Json]


def _ended(entry: Json) -> Json | None:
    """How a container ended, also while it waits to be started again."""
    ended: Json | None = entry["state"].get("terminated")
    if ended is None and "waiting" in entry["state"]:
        ended = entry["lastState"].get("terminated")
    return ended


@dataclass
class _Counts:
    waiting: bool = False
    running: bool = False
    stopped: int = 0
    final: int = 0
    succeeded: int = 0


def phase_of(pod: Pod, init: Entries, entries: Entries, active: bool, stopping: bool = False) -> str:
    """`Pending`, `Running`, `Succeeded` or `Failed`; `active`: see `is_active`.

    Of a pod of the API that is being stopped nothing is started again, whatever its restart policy.
    """
    pending_init = pending_sidecars = False
    count = _Counts()
    for container in pod.init_containers:
        entry = init[container.name]
        if container.is_sidecar:
            if "running" in entry["state"]:
                pending_sidecars |= not entry["started"]
                count.running = True
            elif _ended(entry) is None:
                pending_sidecars = count.waiting = True
            continue
        ended = _ended(entry)
        if ended is None:
            pending_init = True
        elif ended["exitCode"] != 0 and not restarts_after(container, pod, ended["exitCode"]):
            return "Failed"
    for container in pod.containers:
        _count(container, pod, entries[container.name], count)
    if pending_init or (pending_sidecars and not active) or count.waiting:
        return "Pending"
    if count.running:
        return "Running"
    if not count.stopped:
        return "Pending"
    if count.stopped != count.final and (not stopping or pod.is_static):
        return "Running"
    return "Succeeded" if count.stopped == count.succeeded else "Failed"


def _count(container: Container, pod: Pod, entry: Json, count: _Counts) -> None:
    ended = _ended(entry)
    if "running" in entry["state"]:
        count.running = True
    elif ended is None:
        count.waiting = True
    else:
        count.stopped += 1
        count.final += not restarts_after(container, pod, ended["exitCode"])
        if "terminated" in entry["state"]:
            count.succeeded += ended["exitCode"] == 0


def is_active(pod: Pod, status: PodStatus) -> bool:
    """Whether an ordinary container runs or is about to, in the present sandbox."""
    newest = [status.newest(name) for name in pod.container_names]
    return any(c is not None and c.state in (State.CREATED, State.RUNNING) for c in newest)


@dataclass(frozen=True)
class _Condition:
    true: bool
    reason: str = ""
    message: str = ""


def _listed(what: str, names: list[str]) -> str:
    return f"containers with {what} status: [{' '.join(names)}]"


def _containers_ready(pod: Pod, init: Entries, entries: Entries, phase: str) -> _Condition:
    if phase in ("Succeeded", "Failed"):
        return _Condition(False, "PodCompleted" if phase == "Succeeded" else "PodFailed")
    sidecars = [c.name for c in pod.init_containers if c.is_sidecar and not init[c.name]["ready"]]
    unready = [*sidecars, *(name for name in pod.container_names if not entries[name]["ready"])]
    if unready:
        return _Condition(False, "ContainersNotReady", _listed("unready", unready))
    return _Condition(True)


def _gated(pod: Pod, previous: Mapping[str, Any], ready: _Condition) -> _Condition:
    """Readiness gates: nobody sets them on a static pod but who edits the mirror's status."""
    if not ready.true:
        return ready
    known = {c["type"]: c for c in previous.get("conditions", ())}
    missing = []
    for gate in pod.object["spec"].get("readinessGates", ()):
        kind = gate["conditionType"]
        if kind not in known:
            missing.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif known[kind]["status"] != "True":
            status = known[kind]["status"]
            missing.append(f'the status of pod readiness gate "{kind}" is not "True", but {status}')
    return _Condition(False, "ReadinessGatesNotReady", ", ".join(missing)) if missing else ready


def _initialized(
    pod: Pod, init: Entries, entries: Entries, previous: Mapping[str, Any], phase: str
) -> _Condition:
    if phase == "Succeeded":
        return _Condition(True, "PodCompleted")
    if any("running" in e["state"] or "terminated" in e["state"] for e in entries.values()):
        return _Condition(True)
    incomplete = [
        c.name for c in pod.init_containers if not init[c.name]["started" if c.is_sidecar else "ready"]
    ]
    before = any(c["type"] == "Initialized" and c["status"] == "True" for c in previous.get("conditions", ()))
    if incomplete and not before:
        return _Condition(False, "ContainersNotInitialized", _listed("incomplete", incomplete))
    return _Condition(True)


def conditions_of(
    pod: Pod,
    status: PodStatus,
    init: Entries,
    entries: Entries,
    phase: str,
    previous: Mapping[str, Any],
    now: datetime,
    disruption: str = "",
) -> list[Json]:
    """All that the kubelet owns; lastTransitionTime moves only when the status does."""
    ready = _containers_ready(pod, init, entries, phase)
    target = {"DisruptionTarget": _Condition(True, "TerminationByKubelet", disruption)}
    kinds = {
        **(target if disruption else {}),
        "PodReadyToStartContainers": _Condition(not sandbox_changed(pod, status)[0]),
        "Initialized": _initialized(pod, init, entries, previous, phase),
        "Ready": _gated(pod, previous, ready),
        "ContainersReady": ready,
        "PodScheduled": _Condition(True),
    }
    before = {c["type"]: c for c in previous.get("conditions", ())}
    shown = []
    for kind, condition in kinds.items():
        word, old = "True" if condition.true else "False", before.get(kind, {})
        moved = old.get("lastTransitionTime") if old.get("status") == word else None
        entry = {
            "lastProbeTime": None,
            "lastTransitionTime": moved or timestamp(now),
            "message": condition.message,
            "observedGeneration": "" if pod.generation is None else pod.generation,
            "reason": condition.reason,
            "status": word,
            "type": kind,
        }
        shown.append({key: value for key, value in entry.items() if value != ""})
    return shown
