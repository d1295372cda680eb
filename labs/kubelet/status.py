"""A pod's status as the API shows it (`generateAPIPodStatus`, `convertToAPIContainerStatuses`).

Pure: from the pod, what the runtime has, probe results and the previous status to the next one. The result is
JSON-shaped, fields in the API's names, so that the status manager can compare and send it as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from labs.core.quantity import summed
from labs.kubelet.actions import should_restart
from labs.kubelet.events import timestamp
from labs.kubelet.phase import Json, conditions_of, is_active, phase_of
from labs.kubelet.pod.model import TERMINAL_PHASES, Container, Pod
from labs.kubelet.runtime_status import ContainerState, PodStatus, State

UNKNOWN, LOST_CODE = "ContainerStatusUnknown", 137


@dataclass(frozen=True)
class Eviction:
    """Why a pod may not run any more; a `disruption` is told in a condition of its own, too."""

    reason: str
    message: str
    disruption: str = ""


@dataclass(frozen=True)
class Inputs:
    """What a status is made of, beside the pod and the runtime."""

    now: datetime
    host_ips: tuple[str, ...]
    previous: Mapping[str, Any] = field(default_factory=dict)
    #: container name -> (reason, message) of why it was not started last time
    reasons: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: container id -> probe result; absent is unknown
    readiness: Mapping[str, bool] = field(default_factory=dict)
    startup: Mapping[str, bool] = field(default_factory=dict)
    terminating: bool = False
    evicted: Eviction | None = None
    message_of: Callable[[ContainerState], str] = lambda _: ""
    runtime_name: str = "containerd"


def _terminated(container: ContainerState, inputs: Inputs) -> Json:
    said = (container.message, inputs.message_of(container))
    state: Json = {
        "containerID": f"{inputs.runtime_name}://{container.id}",
        "exitCode": container.exit_code,
        "finishedAt": timestamp(container.finished_at),
        "message": ": ".join(filter(None, said)),
        "reason": container.reason or ("Completed" if container.exit_code == 0 else "Error"),
        "startedAt": timestamp(container.started_at),
    }
    return {"terminated": {key: value for key, value in state.items() if value != ""}}


def _lost(message: str, reason: str = UNKNOWN, code: int = LOST_CODE) -> Json:
    """The end of a container that nobody has seen end."""
    never = {"finishedAt": None, "startedAt": None}
    return {
        "terminated": dict(sorted({**never, "exitCode": code, "message": message, "reason": reason}.items()))
    }


def _state(container: ContainerState, inputs: Inputs, old: Json) -> Json:
    match container.state:
        case State.RUNNING:
            return {"running": {"startedAt": timestamp(container.started_at)}}
        case State.EXITED:
            return _terminated(container, inputs)
        case State.UNKNOWN if "running" in old.get("state", {}):
            return _lost("The container could not be located when the pod was terminated")
    return {"waiting": {}}


def _absent(container: Container, old: Json, waiting: str) -> Json:
    """The entry of a container that the runtime does not have."""
    if "terminated" in old.get("state", {}):
        return {**old, "ready": False, "started": False}
    last, count = old.get("lastState", {}), old.get("restartCount", 0)
    if "running" in old.get("state", {}) and "terminated" not in last:
        where = "The container could not be located when the pod was deleted."
        last, count = _lost(f"{where}  The container used to be Running"), count + 1
    return {
        "image": container.image,
        "imageID": "",
        "lastState": last,
        "restartCount": count,
        "state": {"waiting": {"reason": waiting}},
    }


def _present(container: Container, generations: list[ContainerState], inputs: Inputs, old: Json) -> Json:
    """The entry of a container that the runtime has, or had."""
    newest = generations[0]
    entry: Json = {
        "containerID": f"{inputs.runtime_name}://{newest.id}",
        "image": newest.image,
        "imageID": newest.image_ref,
        "lastState": _last_state(generations, inputs, old),
        "resources": {k: dict(v) for k, v in container.resources.items() if v},
        "restartCount": max(newest.restart_count, old.get("restartCount", 0)),
        "state": _state(newest, inputs, old),
    }
    ended = "terminated" in old.get("state", {})
    if newest.state is State.RUNNING and ended and old.get("restartCount", 0) >= newest.restart_count:
        entry["restartCount"] = old["restartCount"] + 1
    if newest.state is State.UNKNOWN and "terminated" in entry["state"]:
        entry["restartCount"] = old.get("restartCount", 0) + 1
    if newest.user:
        entry["user"] = {"linux": dict(newest.user)}
    requests = container.resources.get("requests")
    if requests:
        entry["allocatedResources"] = dict(requests)
    return entry


def _last_state(generations: list[ContainerState], inputs: Inputs, old: Json) -> Json:
    if len(generations) > 1:
        return _state(generations[1], inputs, {})
    ended = old.get("state", {}).get("terminated")
    if ended and old.get("containerID") != f"{inputs.runtime_name}://{generations[0].id}":
        return {"terminated": ended}
    return {"terminated": last} if (last := old.get("lastState", {}).get("terminated")) else {}


def _mounts(container: Container) -> list[Json]:
    """`volumeMounts`; recursive read-only mounts are never made here."""
    shown = []
    for mount in container.mounts:
        entry: Json = {"mountPath": mount.path, "name": mount.name}
        if mount.read_only:
            entry |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
        shown.append(entry)
    return shown


def _container_status(
    pod: Pod, container: Container, status: PodStatus, inputs: Inputs, init: bool, waiting: str
) -> Json:
    """One entry of containerStatuses or initContainerStatuses."""
    listed = inputs.previous.get("initContainerStatuses" if init else "containerStatuses", ())
    old: Json = next((c for c in listed if c["name"] == container.name), {})
    generations = status.generations(container.name)
    known = _present(container, generations, inputs, old) if generations else None
    entry = known or _absent(container, old, waiting)
    entry |= {"name": container.name, "ready": False, "started": False}
    if mounts := _mounts(container):
        entry["volumeMounts"] = mounts
    if not (init and _over(pod, container, status, entry)):
        _why_waiting(pod, container, status, inputs, entry)
    _probed(container, entry, status, inputs)
    if init and not container.is_sidecar:
        entry["ready"] = entry["state"].get("terminated", {}).get("exitCode") == 0
    return dict(sorted(entry.items()))


def _over(pod: Pod, container: Container, status: PodStatus, entry: Json) -> bool:
    """Whether an init container is done, which need not be seen: the others have been made since."""
    last = status.newest(container.name)
    if last is not None:
        return last.state is State.EXITED and last.exit_code == 0
    later = any(status.newest(name) for name in pod.container_names)
    if not later or container.is_sidecar or "waiting" not in entry["state"]:
        return False
    why = "Unable to get init container status from container runtime and pod has been initialized"
    entry["state"] = _lost(f"{why}, treat it as exited normally", "Completed", 0)
    return True


def _why_waiting(pod: Pod, container: Container, status: PodStatus, inputs: Inputs, entry: Json) -> None:
    """A container that should run and could not be started waits, and says why."""
    reason = inputs.reasons.get(container.name)
    if not reason or inputs.terminating or not should_restart(container, pod, status):
        return
    if "terminated" in entry["state"]:
        entry["lastState"] = entry["state"]
    said = {"message": reason[1], "reason": reason[0]}
    entry["state"] = {"waiting": {key: value for key, value in said.items() if value}}


def _probed(container: Container, entry: Json, status: PodStatus, inputs: Inputs) -> None:
    """`started` and `ready`, from the probes' results."""
    newest = status.newest(container.name)
    if newest is None or "running" not in entry["state"]:
        return
    entry["started"] = inputs.startup.get(newest.id, False) if container.probe("startup") else True
    if entry["started"]:
        entry["ready"] = inputs.readiness.get(newest.id, False) if container.probe("readiness") else True


def generate(pod: Pod, status: PodStatus, inputs: Inputs) -> Json:
    """The pod's status now."""
    waiting = "PodInitializing" if pod.init_containers else "ContainerCreating"
    init = {c.name: _container_status(pod, c, status, inputs, True, waiting) for c in pod.init_containers}
    entries = {c.name: _container_status(pod, c, status, inputs, False, waiting) for c in pod.containers}
    previous = inputs.previous
    phase = phase_of(pod, init, entries, is_active(pod, status), inputs.terminating)
    if previous.get("phase") in ("Failed", "Succeeded"):
        phase = previous["phase"]
    said = {}
    if phase == previous.get("phase"):
        said = {key: previous[key] for key in ("message", "reason") if previous.get(key)}
    if inputs.evicted is not None:
        phase = "Failed"
        said = {"message": inputs.evicted.message, "reason": inputs.evicted.reason}
    disruption = inputs.evicted.disruption if inputs.evicted else ""
    ips = inputs.host_ips if pod.host_network and status.sandboxes else status.ips
    if not ips and not any(sandbox.ready for sandbox in status.sandboxes):
        ips = tuple(i["ip"] for i in previous.get("podIPs", ()))
    result: Json = {
        **said,
        "conditions": conditions_of(pod, status, init, entries, phase, previous, inputs.now, disruption),
        "containerStatuses": [entries[name] for name in sorted(entries)],
        "hostIPs": [{"ip": ip} for ip in inputs.host_ips],
        "phase": phase,
        "startTime": previous.get("startTime") or timestamp(inputs.now),
    }
    if pod.generation is not None:
        result["observedGeneration"] = pod.generation
    if inputs.host_ips:
        result["hostIP"] = inputs.host_ips[0]
    if init:
        result["initContainerStatuses"] = list(init.values())
    if ips:
        result["podIP"], result["podIPs"] = ips[0], [{"ip": ip} for ip in ips]
    return dict(sorted((result | _pod_resources(pod)).items()))


def still_running(status: Json, shown: Mapping[str, Any]) -> Json:
    """The status to show while containers may run: over is said of a pod only when they don't."""
    if status["phase"] not in TERMINAL_PHASES or shown.get("phase") in TERMINAL_PHASES:
        return status
    kept = {key: value for key, value in status.items() if key not in ("reason", "message")}
    before = {key: shown[key] for key in ("reason", "message") if key in shown}
    return dict(sorted({**kept, **before, "phase": shown.get("phase", "Pending")}.items()))


def concluded(pod: Pod, status: Json) -> Json:
    """The last status of a pod that has been stopped (`TerminatePod`); a static pod keeps its phase.

    Nothing of it waits or runs any more, but what its init containers never gave a turn.
    """
    over = pod.is_static or status["phase"] in TERMINAL_PHASES
    last: Json = {**status} if over else {**status, "phase": "Failed"}
    conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
    if conditions.get("Initialized") == "True":
        last["containerStatuses"] = [_concluded(entry) for entry in status["containerStatuses"]]
    init = status.get("initContainerStatuses")
    if init:
        begun = [i for i, e in enumerate(init) if "waiting" not in e["state"] or e["lastState"]]
        reached = (begun[-1] if begun else 0) + 1
        last["initContainerStatuses"] = [*map(_concluded, init[:reached]), *init[reached:]]
    return last


def _concluded(entry: Json) -> Json:
    if "terminated" in entry["state"]:
        return entry
    return {**entry, "state": _lost("The container could not be located when the pod was terminated")}


def _pod_resources(pod: Pod) -> Json:
    """`resources` and `allocatedResources` of the whole pod."""

    own = pod.object["spec"].get("resources", {})

    def total(kind: str) -> dict[str, str]:
        if own:  # the pod as a whole says what it may have
            return dict(own.get(kind, {}))
        return summed(container.resources.get(kind, {}) for container in pod.containers)

    requests, limits = total("requests"), total("limits")
    result: Json = {"resources": {k: v for k, v in (("limits", limits), ("requests", requests)) if v}}
    if requests:
        result["allocatedResources"] = requests
    return result
