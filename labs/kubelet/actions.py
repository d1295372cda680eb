"""What to do to a pod so that it runs as its spec says (`computePodActions` in `kuberuntime_manager.go`).

Pure: from the pod, what the runtime has, and the probes' results to a plan that `runtime_manager` carries
out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.runtime_status import ContainerState, PodStatus, State

Results = Mapping[str, bool | None]


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
    #: In the pod's order. One that does not start keeps those after it waiting, unless it is a sidecar.
    start_init: tuple[Container, ...] = ()
    start: tuple[Container, ...] = ()

    @property
    def of_containers(self) -> bool:
        """Whether there is a container to start or to stop."""
        return bool(self.kill or self.start_init or self.start)


@dataclass
class _Plan:
    """Actions in the making."""

    pod: Pod
    status: PodStatus
    liveness: Results
    startup: Results
    kill_pod: bool = False
    kills: list[Kill] = field(default_factory=list)
    init: set[int] = field(default_factory=set)
    starts: list[Container] = field(default_factory=list)

    def kill(self, running: ContainerState, message: str, reason: str = "") -> None:
        self.kills.append(Kill(running, message, reason))


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


def restarts_after(container: Container, pod: Pod, exit_code: int) -> bool:
    """Whether a container that has ended so is started again: its rules, its own policy, the pod's."""
    for rule in container.restart_rules:
        codes = rule.get("exitCodes") or {}
        listed = exit_code in codes.get("values", ())
        if listed if codes.get("operator") == "In" else not listed:
            return True
    policy = container.restart_policy or pod.restart_policy
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def restarts_when_killed(container: Container, pod: Pod) -> bool:
    """Whether a container that a probe has condemned is started again."""
    return (container.restart_policy or pod.restart_policy) != "Never"


def should_restart(container: Container, pod: Pod, status: PodStatus) -> bool:
    """`ShouldContainerBeRestarted`: by the restart policy and how the last generation ended."""
    last = status.newest(container.name)
    if last is None or last.state in (State.UNKNOWN, State.CREATED):
        return True
    return last.state is not State.RUNNING and restarts_after(container, pod, last.exit_code)


def compute_actions(pod: Pod, status: PodStatus, liveness: Results, startup: Results) -> Actions:
    """The plan. `liveness` and `startup` map container ids to probe results; None or absent is unknown."""
    create, attempt, sandbox = sandbox_changed(pod, status)
    if create:
        return _from_the_start(pod, status, attempt, sandbox)
    plan = _Plan(pod, status, liveness, startup)
    if _initialized(plan) and not plan.kill_pod:
        _containers(plan)
    if plan.kill_pod:
        return Actions(kill_pod=True, sandbox_id=sandbox, attempt=attempt)
    init = tuple(pod.init_containers[i] for i in sorted(plan.init))
    return Actions(False, False, sandbox, attempt, tuple(plan.kills), init, tuple(plan.starts))


def _from_the_start(pod: Pod, status: PodStatus, attempt: int, sandbox: str) -> Actions:
    """There is no usable sandbox: a new one, and all over again, if anything is left to run."""
    stop = Actions(kill_pod=True, sandbox_id=sandbox, attempt=attempt)
    if pod.restart_policy == "Never" and attempt and status.containers:
        return stop
    wanted = tuple(c for c in pod.containers if not _done(c, pod, status))
    if not wanted and any(status.newest(c.name) for c in pod.containers):
        return stop
    if pod.init_containers:
        return Actions(True, True, sandbox, attempt, (), pod.init_containers[:1])
    return Actions(True, True, sandbox, attempt, (), (), wanted)


def _done(container: Container, pod: Pod, status: PodStatus) -> bool:
    last = status.newest(container.name)
    ended_well = last is not None and last.state is State.EXITED and last.exit_code == 0
    return (container.restart_policy or pod.restart_policy) == "OnFailure" and ended_well


def _initialized(plan: _Plan) -> bool:
    """Plan for the init containers; True when the others may run (`computeInitContainerActions`).

    From the last to the first, because those that are done may have been removed since: the last one that
    is known tells how far the pod has come. Sidecars before it are kept running.
    """
    containers, status = plan.pod.init_containers, plan.status
    if not containers:
        return True
    running = (State.CREATED, State.RUNNING)
    done = any((c := status.newest(name)) and c.state in running for name in plan.pod.container_names)
    come_further = done
    for index in reversed(range(len(containers))):
        container, last = containers[index], status.newest(containers[index].name)
        if last is None:
            if come_further and container.is_sidecar:
                plan.init.add(index)
            continue
        if come_further and not container.is_sidecar:
            continue
        if container.is_sidecar:
            ready = _sidecar(plan, index, container, last)
        else:
            ready = _init_container(plan, index, container, last)
        if plan.kill_pod:
            return False
        if ready and index == len(containers) - 1:
            done = True
        elif ready and not come_further:
            plan.init.add(index + 1)
        come_further = True
    if not come_further:
        plan.init.add(0)
    return done


def _init_container(plan: _Plan, index: int, container: Container, last: ContainerState) -> bool:
    """Plan for one init container; True when it is done."""
    if last.state is State.RUNNING:
        return False
    if last.state is State.CREATED:
        plan.init.add(index)
        return False
    if last.state is State.EXITED and last.exit_code == 0:
        return True
    exited = last.state is State.EXITED
    again = (
        restarts_after(container, plan.pod, last.exit_code)
        if exited
        else restarts_when_killed(container, plan.pod)
    )
    if not again:
        plan.kill_pod = True
        return False
    if not exited:
        plan.kill(last, 'Init container is in "unknown" state, try killing it before restart')
    plan.init.add(index)
    return False


def _sidecar(plan: _Plan, index: int, container: Container, last: ContainerState) -> bool:
    """Plan for one restartable init container; True when the next one may start."""
    name = container.name
    if last.state is not State.RUNNING:
        if last.state is State.UNKNOWN:
            plan.kill(last, 'Init container is in "unknown" state, try killing it before restart')
        plan.init.add(index)
        return False
    if container.probe("startup"):
        started = plan.startup.get(last.id)
        if started is False:
            plan.kill(last, f"Init container {name} failed startup probe", "StartupProbeFailed")
            plan.init.add(index)
        if not started:
            return False
    if last.hash and last.hash != container.hash:
        plan.kill(last, f"Init container {name} definition changed")
        plan.init.add(index)
    elif plan.liveness.get(last.id) is False:
        plan.kill(last, f"Init container {name} failed liveness probe", "LivenessProbeFailed")
        plan.init.add(index)
    return True


def _containers(plan: _Plan) -> None:
    """Plan for the ordinary containers; nothing to keep or start means the pod is over."""
    keeps = False
    for container in plan.pod.containers:
        last = plan.status.newest(container.name)
        if last is None or last.state is not State.RUNNING:
            if should_restart(container, plan.pod, plan.status):
                plan.starts.append(container)
                if last is not None and last.state is State.UNKNOWN:
                    plan.kill(last, 'Container is in "unknown" state, try killing it before restart')
            continue
        message, reason, again = _condemned(plan, container, last)
        if not message:
            keeps = True
            continue
        if again:
            message += ", will be restarted"
            plan.starts.append(container)
        plan.kill(last, message, reason)
    if not keeps and not plan.starts:
        plan.kill_pod = True


def _condemned(plan: _Plan, container: Container, last: ContainerState) -> tuple[str, str, bool]:
    """Why a running container has to go ("" when it stays), and whether it comes back."""
    name, again = container.name, restarts_when_killed(container, plan.pod)
    if last.hash and last.hash != container.hash:
        return f"Container {name} definition changed", "", True
    if plan.liveness.get(last.id) is False:
        return f"Container {name} failed liveness probe", "LivenessProbeFailed", again
    if plan.startup.get(last.id) is False:
        return f"Container {name} failed startup probe", "StartupProbeFailed", again
    return "", "", again
