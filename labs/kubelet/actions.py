"""What to do to a pod so that it runs as its spec says (`computePodActions` in `kuberuntime_manager.go`).

Pure: from the pod, what the runtime has, and the probes' results to a plan that `runtime_manager` carries
out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.runtime_status import ContainerState, PodStatus, State


@dataclass(frozen=True)
class Kill:
    """One container to stop, and the words for it."""

    container: ContainerState
    message: str
    reason: str


@dataclass(frozen=True)
class Actions:
    #: All containers and the sandbox go first.
    kill_pod: bool = False
    create_sandbox: bool = False
    sandbox_id: str = ""
    attempt: int = 0
    kill: tuple[Kill, ...] = ()
    #: In the pod's order; with init containers at most one of them.
    start: tuple[Container, ...] = ()


def sandbox_changed(pod: Pod, status: PodStatus) -> tuple[bool, int, str]:
    """Whether a new sandbox is needed, its attempt, and the present one's id (`PodSandboxChanged`)."""
    if not status.sandboxes:
        return True, 0, ""
    newest = status.sandboxes[0]
    ready = [s for s in status.sandboxes if s.ready]
    if len(ready) > 1 or not newest.ready:
        return True, newest.attempt + 1, newest.id
    if newest.host_network != pod.host_network:
        return True, newest.attempt + 1, ""
    if not pod.host_network and not newest.ips:
        return True, newest.attempt + 1, newest.id
    return False, newest.attempt, newest.id


def should_restart(container: Container, pod: Pod, status: PodStatus) -> bool:
    """`ShouldContainerBeRestarted`: by the restart policy and how the last generation ended."""
    last = status.newest(container.name)
    if last is None or last.state in (State.UNKNOWN, State.CREATED):
        return True
    if last.state is State.RUNNING:
        return False
    if pod.restart_policy == "Never":
        return False
    return pod.restart_policy == "Always" or last.exit_code != 0


def init_progress(pod: Pod, status: PodStatus) -> tuple[Container | None, bool]:
    """The init container to start next (if any), and whether all of them are done."""
    if any(status.newest(c.name) for c in pod.containers):
        return None, True
    for container in pod.init_containers:
        last = status.newest(container.name)
        if last is None or last.state in (State.CREATED, State.UNKNOWN):
            return container, False
        if last.state is State.RUNNING:
            return None, False
        if last.exit_code != 0:
            return (None if pod.restart_policy == "Never" else container), False
    return None, True


def compute_actions(
    pod: Pod, status: PodStatus, liveness: Mapping[str, bool | None], startup: Mapping[str, bool | None]
) -> Actions:
    """The plan. `liveness` and `startup` map container ids to probe results; None or absent is unknown."""
    create, attempt, sandbox = sandbox_changed(pod, status)
    if create:
        finished = pod.restart_policy == "Never" and attempt and status.containers
        if not finished:
            wanted = [
                c
                for c in pod.containers
                if not (
                    pod.restart_policy == "OnFailure"
                    and (last := status.newest(c.name))
                    and last.state is State.EXITED
                    and last.exit_code == 0
                )
            ]
            if not wanted:
                return Actions(kill_pod=True, sandbox_id=sandbox, attempt=attempt)
            start = pod.init_containers[:1] or tuple(wanted)
            return Actions(True, True, sandbox, attempt, (), start)
        return Actions(kill_pod=True, sandbox_id=sandbox, attempt=attempt)
    following, done = init_progress(pod, status)
    if not done:
        return Actions(sandbox_id=sandbox, attempt=attempt, start=(following,) if following else ())
    kills: list[Kill] = []
    starts: list[Container] = []
    keep = 0
    for container in pod.containers:
        last = status.newest(container.name)
        if last is None or last.state is not State.RUNNING:
            if should_restart(container, pod, status):
                starts.append(container)
                if last is not None and last.state is State.UNKNOWN:
                    kills.append(
                        Kill(last, f"Container {container.name} is in unknown state, try killing it", "")
                    )
            continue
        if last.hash and last.hash != container.hash:
            kills.append(
                Kill(
                    last,
                    f"Container {container.name} definition changed, will be restarted",
                    "ContainerDefinitionChanged",
                )
            )
            starts.append(container)
        elif liveness.get(last.id) is False or startup.get(last.id) is False:
            probe = "liveness" if liveness.get(last.id) is False else "startup"
            restart = pod.restart_policy != "Never"
            message = f"Container {container.name} failed {probe} probe" + (
                ", will be restarted" if restart else ""
            )
            kills.append(Kill(last, message, f"{probe.capitalize()}ProbeFailed"))
            if restart:
                starts.append(container)
        else:
            keep += 1
    if not keep and not starts:
        return Actions(kill_pod=True, sandbox_id=sandbox, attempt=attempt)
    return Actions(sandbox_id=sandbox, attempt=attempt, kill=tuple(kills), start=tuple(starts))
