"""A pod's status as the API shows it (`generateAPIPodStatus` in `kubelet_pods.go`, `status/generate.go`).

Pure: from the pod, what the runtime has, probe results and the previous status to the next one. The result is
JSON-shaped, fields in the API's names, so that the status manager can compare and send it as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from labs.kubelet.actions import should_restart
from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.pod.quantity import canonical_quantity, quantity_value
from labs.kubelet.runtime_status import ContainerState, PodStatus, State

Json = dict[str, Any]


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
    message_of: Callable[[ContainerState], str] = lambda _: ""
    runtime_name: str = "containerd"


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _terminated(container: ContainerState, inputs: Inputs) -> Json:
    state: Json = {
        "containerID": f"{inputs.runtime_name}://{container.id}",
        "exitCode": container.exit_code,
        "finishedAt": timestamp(container.finished_at),
        "reason": container.reason or ("Completed" if container.exit_code == 0 else "Error"),
        "startedAt": timestamp(container.started_at),
    }
    message = container.message or inputs.message_of(container)
    if message:
        state["message"] = message
    return {"terminated": dict(sorted(state.items()))}


def _state(container: ContainerState, inputs: Inputs, waiting: str) -> Json:
    if container.state is State.RUNNING:
        return {"running": {"startedAt": timestamp(container.started_at)}}
    if container.state is State.EXITED:
        return _terminated(container, inputs)
    return {"waiting": {"reason": waiting}}


def _container_status(
    pod: Pod, container: Container, status: PodStatus, inputs: Inputs, waiting: str
) -> Json:
    """One entry of containerStatuses (`convertToAPIContainerStatuses`)."""
    generations = status.generations(container.name)
    if not generations:
        entry: Json = {
            "image": container.image,
            "imageID": "",
            "lastState": {},
            "name": container.name,
            "ready": False,
            "restartCount": 0,
            "started": False,
            "state": {"waiting": {"reason": waiting}},
        }
        before = _previous_entry(inputs.previous, container.name)
        if before and "terminated" in before.get("state", {}):
            entry["lastState"], entry["restartCount"] = before["state"], before.get("restartCount", 0)
    else:
        newest = generations[0]
        older = next((c for c in generations[1:] if c.state is State.EXITED), None)
        entry = {
            "containerID": f"{inputs.runtime_name}://{newest.id}",
            "image": newest.image,
            "imageID": newest.image_ref,
            "lastState": _terminated(older, inputs) if older else {},
            "name": container.name,
            "ready": False,
            "resources": {k: dict(v) for k, v in container.resources.items() if v},
            "restartCount": newest.restart_count,
            "started": False,
            "state": _state(newest, inputs, waiting),
        }
        requests = container.resources.get("requests")
        if requests:
            entry["allocatedResources"] = dict(requests)
    reason = inputs.reasons.get(container.name)
    if reason and not inputs.terminating and should_restart(container, pod, status):
        if "terminated" in entry["state"]:
            entry["lastState"] = entry["state"]
        entry["state"] = {"waiting": {"message": reason[1], "reason": reason[0]}}
        if not reason[1]:
            del entry["state"]["waiting"]["message"]
    _probed(container, entry, status, inputs)
    return dict(sorted(entry.items()))


def _previous_entry(previous: Mapping[str, Any], name: str) -> Json | None:
    return next((c for c in previous.get("containerStatuses", ()) if c["name"] == name), None)


def _probed(container: Container, entry: Json, status: PodStatus, inputs: Inputs) -> None:
    """`started` and `ready`, from the probes' results."""
    newest = status.newest(container.name)
    if newest is None or "running" not in entry["state"]:
        return
    entry["started"] = inputs.startup.get(newest.id, False) if container.probe("startup") else True
    if not entry["started"]:
        return
    entry["ready"] = inputs.readiness.get(newest.id, False) if container.probe("readiness") else True


def phase_of(pod: Pod, entries: list[Json], init: list[Json]) -> str:
    """`getPhase`."""
    for entry in init:
        terminated = entry["state"].get("terminated") or entry["lastState"].get("terminated")
        done = bool(entry["state"].get("terminated")) and entry["state"]["terminated"]["exitCode"] == 0
        if done:
            continue
        if terminated and terminated["exitCode"] != 0 and pod.restart_policy == "Never":
            return "Failed"
        return "Pending"
    waiting = [e for e in entries if "waiting" in e["state"] and not e["lastState"].get("terminated")]
    running = [e for e in entries if "running" in e["state"]]
    stopped = [
        e for e in entries if "terminated" in e["state"] or ("waiting" in e["state"] and e not in waiting)
    ]
    succeeded = [
        e for e in stopped if (e["state"].get("terminated") or e["lastState"]["terminated"])["exitCode"] == 0
    ]
    if waiting:
        return "Pending"
    if running:
        return "Running"
    if stopped:
        if pod.restart_policy == "Always":
            return "Running"
        if len(succeeded) == len(stopped):
            return "Succeeded"
        return "Failed" if pod.restart_policy == "Never" else "Running"
    return "Pending"


def _condition(kind: str, true: bool, reason: str = "", message: str = "") -> Json:
    condition: Json = {"lastProbeTime": None, "status": "True" if true else "False", "type": kind}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def _readiness(pod: Pod, entries: list[Json], phase: str) -> tuple[bool, str, str]:
    if phase in ("Succeeded", "Failed"):
        return False, "PodCompleted" if phase == "Succeeded" else "PodFailed", ""
    unknown = [e["name"] for e in entries if "containerID" not in e and not e["state"]]
    unready = [e["name"] for e in entries if not e["ready"]]
    if unknown:
        return False, "ContainersNotReady", f"containers with unknown status: [{' '.join(unknown)}]"
    if unready:
        return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return True, "", ""


def _initialized(init: list[Json], phase: str) -> tuple[bool, str, str]:
    incomplete = [e["name"] for e in init if e["state"].get("terminated", {}).get("exitCode") != 0]
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    if incomplete:
        return (
            False,
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(incomplete)}]",
        )
    return True, "", ""


def _conditions(pod: Pod, status: PodStatus, entries: list[Json], init: list[Json], phase: str) -> list[Json]:
    sandbox = status.sandboxes[0] if status.sandboxes else None
    has_sandbox = sandbox is not None and sandbox.ready and (pod.host_network or bool(sandbox.ips))
    ready = _readiness(pod, entries, phase)
    return [
        _condition("PodReadyToStartContainers", has_sandbox),
        _condition("Initialized", *_initialized(init, phase)),
        _condition("Ready", *ready),
        _condition("ContainersReady", *ready),
        _condition("PodScheduled", True),
    ]


def _keep_times(conditions: list[Json], previous: Mapping[str, Any], now: datetime) -> list[Json]:
    """lastTransitionTime moves only when the status does."""
    before = {c["type"]: c for c in previous.get("conditions", ())}
    kept = []
    for condition in conditions:
        old = before.get(condition["type"])
        same = old is not None and old["status"] == condition["status"] and old.get("lastTransitionTime")
        at = old["lastTransitionTime"] if old is not None and same else timestamp(now)
        kept.append(dict(sorted({**condition, "lastTransitionTime": at}.items())))
    return kept


def generate(pod: Pod, status: PodStatus, inputs: Inputs) -> Json:
    """The pod's status now."""
    creating = "PodInitializing" if pod.init_containers else "ContainerCreating"
    init = [_container_status(pod, c, status, inputs, "PodInitializing") for c in pod.init_containers]
    entries = [_container_status(pod, c, status, inputs, creating) for c in pod.containers]
    for entry in init:
        entry["ready"] = entry["state"].get("terminated", {}).get("exitCode") == 0
    phase = phase_of(pod, entries, init)
    if inputs.previous.get("phase") in ("Failed", "Succeeded") and not inputs.terminating:
        phase = inputs.previous["phase"]
    ips = inputs.host_ips if pod.host_network and status.sandboxes else status.ips
    if not ips and inputs.terminating:
        ips = tuple(i["ip"] for i in inputs.previous.get("podIPs", ()))
    result: Json = {
        "conditions": _keep_times(
            _conditions(pod, status, entries, init, phase), inputs.previous, inputs.now
        ),
        "containerStatuses": entries,
        "hostIPs": [{"ip": ip} for ip in inputs.host_ips],
        "phase": phase,
        "startTime": inputs.previous.get("startTime") or timestamp(inputs.now),
    }
    if inputs.host_ips:
        result["hostIP"] = inputs.host_ips[0]
    if init:
        result["initContainerStatuses"] = init
    if ips:
        result["podIP"], result["podIPs"] = ips[0], [{"ip": ip} for ip in ips]
    if any("containerID" in e for e in entries):
        result |= _pod_resources(pod)
    return dict(sorted(result.items()))


def _pod_resources(pod: Pod) -> Json:
    """`resources` and `allocatedResources` of the whole pod."""

    def total(kind: str) -> dict[str, str]:
        sums: dict[str, Any] = {}
        for container in pod.containers:
            for name, amount in container.resources.get(kind, {}).items():
                old = sums.get(name)
                sums[name] = (
                    amount
                    if old is None
                    else canonical_quantity(f"{quantity_value(old) + quantity_value(amount):f}")
                )
        return sums

    requests, limits = total("requests"), total("limits")
    result: Json = {"resources": {k: v for k, v in (("limits", limits), ("requests", requests)) if v}}
    if requests:
        result["allocatedResources"] = requests
    return result
