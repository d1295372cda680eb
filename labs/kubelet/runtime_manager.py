"""Carries a plan out on the runtime: sandboxes, containers, restarts, stops (`pkg/kubelet/kuberuntime`).

`PodRuntime.sync` brings one pod to what its spec says, `PodRuntime.kill` takes it away. It decides nothing
that `actions.compute_actions` has not decided, except whether a crash-looping container may be started yet.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cri_api.v1 import api_pb2 as api

from labs.golang.duration import go_duration
from labs.golang.quoting import quote
from labs.kubelet import klog
from labs.kubelet.actions import Actions, Kill
from labs.kubelet.api_objects import ApiObjects, ObjectError, environment_references
from labs.kubelet.backoff import Backoff
from labs.kubelet.cgroups import Cgroups
from labs.kubelet.cri import CriError
from labs.kubelet.cri_config import ConfigError, container_config, sandbox_config, verify_non_root
from labs.kubelet.dns import ClusterDns, NoResolverError, Resolver, pod_dns
from labs.kubelet.downward import environment
from labs.kubelet.events import NORMAL, WARNING, EventRecorder
from labs.kubelet.images import ImageManager
from labs.kubelet.lifecycle import HookError, run_hook
from labs.kubelet.logs import ContainerLogs
from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.pod.oom_score import oom_score_adjust
from labs.kubelet.resources import Machine
from labs.kubelet.runtime_class import NoRuntimeClassError, RuntimeClasses
from labs.kubelet.runtime_status import ContainerState, PodStatus, Reader, State, sandbox_state
from labs.kubelet.services import Services
from labs.kubelet.sync_errors import BackoffError, SandboxError, StartError, SyncError
from labs.kubelet.termination import Order, Terminator
from labs.kubelet.volumes import VolumeError, Volumes


class Runtime(Reader, Protocol):
    """What running pods needs of the runtime; `Cri` is one."""

    async def run_sandbox(self, config: api.PodSandboxConfig, handler: str = "") -> str: ...
    async def stop_sandbox(self, sandbox: str) -> None: ...
    async def remove_sandbox(self, sandbox: str) -> None: ...
    async def create_container(
        self, sandbox: str, config: api.ContainerConfig, sandbox_config: api.PodSandboxConfig
    ) -> str: ...
    async def start_container(self, container: str) -> None: ...
    async def stop_container(self, container: str, grace: int) -> None: ...
    async def remove_container(self, container: str) -> None: ...
    async def exec_sync(
        self, container: str, command: tuple[str, ...], timeout: int
    ) -> api.ExecSyncResponse: ...


@dataclass(frozen=True)
class Host:
    """What of the node goes into every pod."""

    node_name: str
    ips: tuple[str, ...]
    logs_dir: str
    machine: Machine
    resolver: Callable[[], Resolver]
    cluster_dns: ClusterDns
    services: Services
    objects: ApiObjects
    runtime_classes: RuntimeClasses
    #: As in the ids of containers: `containerd`.
    runtime: str
    #: What the node has for pods.
    allocatable: Mapping[str, str]
    seccomp_default: bool = False


class PodRuntime:
    """The runtime, by pods instead of by sandboxes and containers."""

    def __init__(
        self,
        cri: Runtime,
        images: ImageManager,
        volumes: Volumes,
        logs: ContainerLogs,
        events: EventRecorder,
        backoff: Backoff,
        cgroups: Cgroups,
        host: Host,
        now: Callable[[], datetime],
        started: Callable[[Pod, Container], None] = lambda *_: None,
    ) -> None:
        self._cri = cri
        self._images = images
        self._volumes = volumes
        self._logs = logs
        self._events = events
        self._backoff = backoff
        self._cgroups = cgroups
        self._host = host
        self._now = now
        self._started = started
        self._terminator = Terminator(cri, events)

    async def sync(self, pod: Pod, status: PodStatus, actions: Actions) -> dict[str, StartError | None]:
        """Do what the plan says; per container it tried to start, what was in the way (None: it started).

        Raises SyncError when the sandbox cannot be made or a container cannot be stopped.
        """
        try:
            if actions.kill_pod:
                await self.kill(pod, status, pod.grace_period)
            else:
                ips = self._host.ips if pod.host_network else status.ips
                await asyncio.gather(*(self._kill_container(pod, k, ips) for k in actions.kill))
        except CriError as error:
            raise SyncError(
                f'failed to "KillPod" for "{pod.uid}" with KillPodSandboxError: {quote(str(error))}'
            ) from None
        sandbox, ips = actions.sandbox_id, status.ips
        config = self._sandbox_config(pod, actions.attempt)
        if actions.create_sandbox:
            sandbox, ips = await self._create_sandbox(pod, config)
        elif not (actions.kill_pod or status.containers):  # said while none of its containers was ever made
            message = "Missing actuated pod level resource record"
            klog.error("kuberuntime_manager.go:1428", message, pod=pod.name)
        outcome: dict[str, StartError | None] = {}
        for container in (*actions.start_init, *actions.start):
            try:
                await self._start(pod, container, status, sandbox, config, ips)
                outcome[container.name] = None
            except StartError as error:
                outcome[container.name] = error
                if container in actions.start_init and not container.is_sidecar:
                    break
        return outcome

    def _sandbox_config(self, pod: Pod, attempt: int) -> api.PodSandboxConfig:
        host = self._host
        try:
            dns, warnings = pod_dns(pod, host.resolver(), host.cluster_dns)
        except NoResolverError as error:
            what = "GeneratePodSandboxConfig for pod"
            klog.error("kuberuntime_manager.go:1670", f"{what} failed", error, pod=pod.ref)
            raise SyncError(f"failed to SyncPod: {what} {quote(pod.described)} failed: {error}") from None
        for warning in warnings:
            self._events.pod(pod, WARNING, "DNSConfigForming", warning)
        parent = self._cgroups.parent_of(pod)
        return sandbox_config(pod, attempt, host.logs_dir, parent, dns, host.machine)

    async def _create_sandbox(self, pod: Pod, config: api.PodSandboxConfig) -> tuple[str, tuple[str, ...]]:
        self._logs.make_directory(pod)
        try:
            handler = await self._host.runtime_classes.handler(pod.runtime_class)
        except NoRuntimeClassError as error:
            klog.error(
                "kuberuntime_sandbox.go:43", "Failed to generate sandbox config for pod", error, pod=pod.ref
            )
            raise self._no_sandbox(pod, "generate sandbox config", "1614", error) from None
        try:
            sandbox = await self._cri.run_sandbox(config, handler)
            state = sandbox_state(await self._cri.sandbox_status(sandbox))
        except CriError as error:
            klog.error("remote_runtime.go:168", "RunPodSandbox from runtime service failed", error)
            klog.error("kuberuntime_sandbox.go:71", "Failed to create sandbox for pod", error, pod=pod.ref)
            raise self._no_sandbox(pod, "create sandbox", "1586", error) from None
        return sandbox, state.ips

    def _no_sandbox(self, pod: Pod, what: str, line: str, error: Exception) -> SandboxError:
        klog.error(f"kuberuntime_manager.go:{line}", "CreatePodSandbox for pod failed", error, pod=pod.ref)
        self._events.pod(pod, WARNING, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
        described = f"Failed to {what} for pod {quote(pod.described)}: {error}"
        return SandboxError(pod.described, described)

    def _check_backoff(self, pod: Pod, container: Container, status: PodStatus) -> None:
        """Raise BackoffError while a crashed container has to wait; else count this try (`doBackOff`)."""
        last = next((c for c in status.generations(container.name) if c.state is State.EXITED), None)
        if last is None:
            return
        key = f"{pod.uid}_{container.name}_{container.image}_{container.resources}"
        ended = last.finished_at.timestamp()
        delay = self._backoff.remaining(key, ended)
        if delay:
            message = f"Back-off restarting failed container {container.name} in pod {pod.described}"
            self._events.pod(pod, WARNING, "BackOff", message, container)
            which = f"container={container.name} pod={pod.described}"
            text = f"back-off {go_duration(delay)} restarting failed {which}"
            left = self._backoff.until(key, ended) - self._now().timestamp()
            raise BackoffError(container.name, "CrashLoopBackOff", text, left)
        self._backoff.next(key, ended)

    async def _start(
        self,
        pod: Pod,
        container: Container,
        status: PodStatus,
        sandbox: str,
        config: api.PodSandboxConfig,
        ips: tuple[str, ...],
    ) -> None:
        self._check_backoff(pod, container, status)
        try:
            await self._start_container(pod, container, status, sandbox, config, ips)
        except BackoffError:
            raise
        except StartError as error:
            short = error.reason if "Image" in error.reason else error.message
            if error.reason != "PostStartHookError":
                self._events.pod(pod, WARNING, "Failed", f"Error: {short}", container)
            if error.reason != "ImagePullBackOff":
                what = f"{error.reason}: {error.message}"
                text = f"container {container.name} start failed in pod {pod.described}: {what}"
                klog.error("kuberuntime_manager.go:1727", "Unhandled Error", text, logger="UnhandledError")
            raise

    async def _start_container(
        self,
        pod: Pod,
        container: Container,
        status: PodStatus,
        sandbox: str,
        config: api.PodSandboxConfig,
        ips: tuple[str, ...],
    ) -> None:
        image = await self._images.ensure(pod, container, config)
        last = status.newest(container.name)
        count = last.restart_count + 1 if last else self._logs.next_attempt(pod, container)
        pod_ips = self._host.ips if pod.host_network else ips
        fields = {
            "status.podIP": pod_ips[0] if pod_ips else "",
            "status.podIPs": ",".join(pod_ips),
            "status.hostIP": self._host.ips[0] if self._host.ips else "",
            "status.hostIPs": ",".join(self._host.ips),
        }
        self._logs.make_directory(pod, container)
        host = self._host
        links = pod.object["spec"]["enableServiceLinks"]
        if not pod.is_static and not host.services.synced:
            why = "services have not yet been read at least once, cannot construct envvars"
            raise StartError(container.name, "CreateContainerConfigError", why)
        variables = host.services.variables(pod.namespace, links)
        objects = await host.objects.fetch(pod, environment_references(container))
        try:
            env = environment(pod, container, fields, variables, objects, host.allocatable)
            verify_non_root(pod, container, image)
            mounts = self._volumes.mounts(pod, container, pod_ips, env)
        except (ConfigError, ObjectError, VolumeError, OSError) as error:
            raise StartError(container.name, "CreateContainerConfigError", str(error)) from None
        oom = oom_score_adjust(pod, container, host.machine.memory)
        wanted = container_config(
            pod, container, count, image, mounts, env, oom, host.machine, host.seccomp_default
        )
        try:
            created = await self._cri.create_container(sandbox, wanted, config)
        except CriError as error:
            klog.error(
                "remote_runtime.go:403",
                "CreateContainer in sandbox from runtime service failed",
                error,
                podSandboxID=sandbox,
            )
            raise StartError(container.name, "CreateContainerError", error.details) from None
        self._events.pod(pod, NORMAL, "Created", "Container created", container)
        try:
            await self._cri.start_container(created)
            self._started(pod, container)
        except CriError as error:
            klog.error(
                "remote_runtime.go:435",
                "StartContainer from runtime service failed",
                error,
                containerID=created,
            )
            raise StartError(container.name, "RunContainerError", error.details) from None
        self._events.pod(pod, NORMAL, "Started", "Container started", container)
        self._logs.link(pod, container, created, count)
        if container.post_start is not None:
            await self._post_start(pod, container, created, pod_ips)

    async def _post_start(self, pod: Pod, container: Container, created: str, ips: tuple[str, ...]) -> None:
        assert container.post_start is not None
        try:
            await run_hook(self._cri, pod, container, created, container.post_start, ips)
        except HookError as error:
            klog.error(
                "kuberuntime_container.go:328", "Failed to execute PostStartHook", error.cause, pod=pod.ref,
                podUID=pod.uid, containerName=container.name, containerID=f"{self._host.runtime}://{created}",
            )  # fmt: skip
            self._events.pod(pod, WARNING, "FailedPostStartHook", "PostStartHook failed", container)
            grace = pod.grace_period
            await self._terminator.stop(pod, container.name, created, grace, "FailedPostStartHook", ips)
            raise StartError(container.name, "PostStartHookError", str(error)) from None

    async def _kill_container(self, pod: Pod, kill: Kill, ips: tuple[str, ...]) -> None:
        spec = pod.container(kill.container.name)
        grace = pod.grace_period
        if spec is not None and kill.reason.endswith("ProbeFailed"):
            probe = spec.probe(kill.reason.removesuffix("ProbeFailed").lower())
            if probe is not None and probe.grace_period is not None:
                grace = probe.grace_period
        running = kill.container
        await self._terminator.stop(pod, running.name, running.id, grace, kill.message, ips)

    async def kill(self, pod: Pod, status: PodStatus, grace: int) -> None:
        """Stop a pod's running containers in their order, then its sandboxes. Raises CriError."""
        running = status.running
        order = Order(pod, [c.name for c in running])
        ips = self._host.ips if pod.host_network else status.ips
        stops = (self._terminator.stop(pod, c.name, c.id, grace, "", ips, order) for c in running)
        await asyncio.gather(*stops)
        for sandbox in status.sandboxes:
            if sandbox.ready:
                try:
                    await self._cri.stop_sandbox(sandbox.id)
                except CriError as error:
                    if not error.not_found:
                        raise

    async def remove_dead(self, pod: Pod, status: PodStatus, keep: int) -> None:
        """Remove dead containers but the `keep` newest of each name (`pod_container_deletor.go`)."""
        for name in dict.fromkeys(c.name for c in status.containers):
            dead = [c for c in status.generations(name) if c.state is State.EXITED]
            for container in dead[keep:]:
                await self._remove(pod, container)

    async def _remove(self, pod: Pod, container: ContainerState) -> None:
        klog.info("scope.go:122", "RemoveContainer", containerID=container.id)
        try:
            await self._cri.remove_container(container.id)
        except CriError as error:
            if not error.not_found:
                klog.error(
                    "remote_runtime.go:597",
                    "RemoveContainer from runtime service failed",
                    error,
                    containerID=container.id,
                )
                return
        self._logs.remove(pod, container)
