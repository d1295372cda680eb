"""A CRI runtime in memory, speaking CRI messages, whose containers behave as a test says."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

from cri_api.v1 import api_pb2 as api

from labs.kubelet.cri import CriError

IMAGES = ("docker.io/library/busybox:1.36", "docker.io/library/busybox:1.37")


@dataclass
class Behaviour:
    """How the containers of one name behave. `lives` has one entry per generation; the last one repeats."""

    #: (seconds until it ends by itself or None, exit code)
    lives: list[tuple[float | None, int]] = field(default_factory=lambda: [(None, 0)])
    ignores_term: bool = False
    #: How it exits when it is asked to.
    term_code: int = 143
    start_error: str = ""
    #: probe command -> exit code
    commands: dict[tuple[str, ...], int] = field(default_factory=dict)


@dataclass
class _Container:
    status: api.ContainerStatus
    sandbox: str
    config: api.ContainerConfig
    ending: asyncio.TimerHandle | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryRuntime:
    """Implements what `labs.kubelet.cri.Cri` offers, with nothing behind it."""

    def __init__(self, now: Callable[[], datetime], events: bool = True) -> None:
        self._now = now
        self._has_events = events
        self.behaviours: dict[str, Behaviour] = {}
        self.images = set(IMAGES)
        self.sandboxes: dict[str, api.PodSandboxStatus] = {}
        self.containers: dict[str, _Container] = {}
        self.calls: list[tuple[str, str]] = []
        self.down = False
        #: What calls fail with.
        self.failing: dict[str, CriError] = {}
        self.network_ready = True
        #: What commands print: on stdout, and on stderr.
        self.printed = (b"", b"")
        #: Where the streams of commands and ports are.
        self.streaming_url = ""
        self._queues: list[asyncio.Queue[api.ContainerEventResponse]] = []
        self._addresses = 0

    def behave(self, name: str, **settings: object) -> None:
        self.behaviours[name] = Behaviour(**settings)  # type: ignore[arg-type]

    def _nanoseconds(self) -> int:
        return int(self._now().timestamp() * 1_000_000) * 1000

    def _check(self, call: str, about: str = "") -> None:
        self.calls.append((call, about))
        if self.down:
            raise CriError("Unavailable", "connection error: desc = transport: connection refused")
        if call in self.failing:
            raise self.failing[call]

    def _tell(self, sandbox: str) -> None:
        if sandbox in self.sandboxes:
            event = api.ContainerEventResponse(
                pod_sandbox_status=self.sandboxes[sandbox],
                containers_statuses=[c.status for c in self.containers.values() if c.sandbox == sandbox],
            )
            for queue in self._queues:
                queue.put_nowait(event)

    # what tests ask

    def of_pod(self, name: str, running: bool = False) -> list[api.ContainerStatus]:
        """Containers of a pod, oldest first."""
        found = [
            c.status for c in self.containers.values() if c.status.labels["io.kubernetes.pod.name"] == name
        ]
        wanted = [c for c in found if not running or c.state == api.CONTAINER_RUNNING]
        return sorted(wanted, key=lambda c: c.created_at)

    def config_of(self, container: str) -> api.ContainerConfig:
        return self.containers[container].config

    def kill(self, container: str, exit_code: int = 137) -> None:
        """End a container from outside."""
        self._end(container, exit_code)

    # CRI

    async def status(self) -> api.StatusResponse:
        self._check("Status")
        network = api.RuntimeCondition(
            type="NetworkReady",
            status=self.network_ready,
            reason="" if self.network_ready else "NetworkPluginNotReady",
            message="" if self.network_ready else "cni plugin not initialized",
        )
        ready = api.RuntimeCondition(type="RuntimeReady", status=True)
        return api.StatusResponse(status=api.RuntimeStatus(conditions=[ready, network]))

    async def run_sandbox(self, config: api.PodSandboxConfig, handler: str = "") -> str:
        self._check("RunPodSandbox", config.metadata.name)
        sandbox = secrets.token_hex(32)
        host = config.linux.security_context.namespace_options.network == api.NODE
        self._addresses += 1
        status = api.PodSandboxStatus(
            id=sandbox,
            metadata=config.metadata,
            state=api.SANDBOX_READY,
            created_at=self._nanoseconds(),
            network=api.PodSandboxNetworkStatus(ip="" if host else f"10.244.0.{self._addresses}"),
            labels=dict(config.labels),
            annotations=dict(config.annotations),
        )
        status.linux.namespaces.options.CopyFrom(config.linux.security_context.namespace_options)
        self.sandboxes[sandbox] = status
        return sandbox

    async def stop_sandbox(self, sandbox: str) -> None:
        self._check("StopPodSandbox", sandbox)
        if sandbox not in self.sandboxes:
            return
        for container in self.containers.values():
            if container.sandbox == sandbox and container.status.state == api.CONTAINER_RUNNING:
                self._end(container.status.id, 137)
        self.sandboxes[sandbox].state = api.SANDBOX_NOTREADY
        self._tell(sandbox)

    async def remove_sandbox(self, sandbox: str) -> None:
        self._check("RemovePodSandbox", sandbox)
        self.sandboxes.pop(sandbox, None)

    async def sandbox_status(self, sandbox: str) -> api.PodSandboxStatus:
        self._check("PodSandboxStatus")
        if sandbox not in self.sandboxes:
            raise CriError("NotFound", f'an error occurred when try to find sandbox "{sandbox}": not found')
        copy = api.PodSandboxStatus()
        copy.CopyFrom(self.sandboxes[sandbox])
        return copy

    async def list_sandboxes(self, labels: dict[str, str] | None = None) -> list[api.PodSandbox]:
        self._check("ListPodSandbox")
        return [
            api.PodSandbox(
                id=s.id, metadata=s.metadata, state=s.state, created_at=s.created_at, labels=dict(s.labels)
            )
            for s in self.sandboxes.values()
            if (labels or {}).items() <= dict(s.labels).items()
        ]

    async def create_container(
        self, sandbox: str, config: api.ContainerConfig, sandbox_config: api.PodSandboxConfig
    ) -> str:
        self._check("CreateContainer", config.metadata.name)
        container = secrets.token_hex(32)
        status = api.ContainerStatus(
            id=container,
            metadata=config.metadata,
            state=api.CONTAINER_CREATED,
            created_at=self._nanoseconds(),
            image=api.ImageSpec(image=f"docker.io/library/{config.image.user_specified_image}"),
            image_ref=config.image.image,
            labels=dict(config.labels),
            annotations=dict(config.annotations),
            mounts=config.mounts,
            log_path=f"{sandbox_config.log_directory}/{config.log_path}",
        )
        self.containers[container] = _Container(status, sandbox, config)
        return container

    def _behaviour(self, status: api.ContainerStatus) -> Behaviour:
        return self.behaviours.get(status.metadata.name, Behaviour())

    async def start_container(self, container: str) -> None:
        self._check("StartContainer", container)
        it = self.containers[container]
        behaviour = self._behaviour(it.status)
        if behaviour.start_error:
            it.status.reason, it.status.message = "StartError", behaviour.start_error
            self._end(container, 128)
            raise CriError("Unknown", behaviour.start_error)
        it.status.state, it.status.started_at = api.CONTAINER_RUNNING, self._nanoseconds()
        life, code = behaviour.lives.pop(0) if len(behaviour.lives) > 1 else behaviour.lives[0]
        if life is not None:
            it.ending = asyncio.get_running_loop().call_later(life, self._end, container, code)
        self._tell(it.sandbox)

    def _end(self, container: str, code: int) -> None:
        it = self.containers[container]
        if it.status.state == api.CONTAINER_EXITED:
            return
        if it.ending is not None:
            it.ending.cancel()
        it.status.state, it.status.finished_at = api.CONTAINER_EXITED, self._nanoseconds()
        it.status.exit_code = code
        it.status.reason = it.status.reason or ("Completed" if code == 0 else "Error")
        it.ended.set()
        self._tell(it.sandbox)

    async def stop_container(self, container: str, grace: int) -> None:
        self._check("StopContainer", f"{container} {grace}")
        if container not in self.containers:
            raise CriError(
                "NotFound", f'an error occurred when try to find container "{container}": not found'
            )
        it = self.containers[container]
        if self._behaviour(it.status).ignores_term:
            await asyncio.sleep(grace)
            self._end(container, 137)
        else:
            self._end(container, self._behaviour(it.status).term_code)

    async def remove_container(self, container: str) -> None:
        self._check("RemoveContainer", container)
        self.containers.pop(container, None)

    async def container_status(self, container: str) -> api.ContainerStatus:
        self._check("ContainerStatus")
        if container not in self.containers:
            raise CriError(
                "NotFound", f'an error occurred when try to find container "{container}": not found'
            )
        copy = api.ContainerStatus()
        copy.CopyFrom(self.containers[container].status)
        return copy

    async def list_containers(self, labels: dict[str, str] | None = None) -> list[api.Container]:
        self._check("ListContainers")
        return [
            api.Container(
                id=c.status.id,
                pod_sandbox_id=c.sandbox,
                metadata=c.status.metadata,
                state=c.status.state,
                created_at=c.status.created_at,
                image_ref=c.status.image_ref,
                labels=dict(c.status.labels),
                annotations=dict(c.status.annotations),
            )
            for c in self.containers.values()
            if (labels or {}).items() <= dict(c.status.labels).items()
        ]

    async def exec_sync(self, container: str, command: tuple[str, ...], timeout: int) -> api.ExecSyncResponse:
        self._check("ExecSync", " ".join(command))
        code = self._behaviour(self.containers[container].status).commands.get(tuple(command), 0)
        return api.ExecSyncResponse(exit_code=code, stdout=self.printed[0], stderr=self.printed[1])

    async def exec(self, container: str, command: list[str], **streams: bool) -> str:
        self._check("Exec", f"{' '.join(command)} {sorted(name for name, on in streams.items() if on)}")
        return self.streaming_url

    async def attach(self, container: str, **streams: bool) -> str:
        self._check("Attach", f"{sorted(name for name, on in streams.items() if on)}")
        return self.streaming_url

    async def port_forward(self, sandbox: str) -> str:
        self._check("PortForward", sandbox)
        return self.streaming_url

    async def container_stats(self) -> list[api.ContainerStats]:
        self._check("ListContainerStats")
        running = [c.status for c in self.containers.values() if c.status.state == api.CONTAINER_RUNNING]
        return [self._stats(status) for status in running]

    def _stats(self, status: api.ContainerStatus) -> api.ContainerStats:
        """Half a core since it was started, and 12 MB."""
        now = self._nanoseconds()
        busy = (now - status.started_at) // 2
        return api.ContainerStats(
            attributes=api.ContainerAttributes(
                id=status.id, metadata=status.metadata, labels=dict(status.labels)
            ),
            cpu=api.CpuUsage(timestamp=now, usage_core_nano_seconds=api.UInt64Value(value=busy)),
            memory=api.MemoryUsage(timestamp=now, working_set_bytes=api.UInt64Value(value=12 << 20)),
            writable_layer=api.FilesystemUsage(
                used_bytes=api.UInt64Value(value=4096), inodes_used=api.UInt64Value(value=2)
            ),
        )

    async def image_filesystem(self) -> api.ImageFsInfoResponse:
        self._check("ImageFsInfo")
        used = api.FilesystemUsage(
            used_bytes=api.UInt64Value(value=1 << 20), inodes_used=api.UInt64Value(value=9)
        )
        return api.ImageFsInfoResponse(image_filesystems=[used], container_filesystems=[used])

    async def reopen_log(self, container: str) -> None:
        self._check("ReopenContainerLog", container)

    async def image_status(self, image: str) -> api.Image | None:
        self._check("ImageStatus", image)
        known = f"docker.io/library/{image}" in self.images or image in self.images
        return api.Image(id=f"sha256:{image.rsplit(':', 1)[-1]:0>64}", repo_tags=[image]) if known else None

    async def pull_image(self, image: str, sandbox_config: api.PodSandboxConfig) -> str:
        self._check("PullImage", image)
        raise CriError("Unknown", f'failed to resolve reference "{image}": no such host')

    async def list_images(self) -> list[api.Image]:
        self._check("ListImages")
        return [api.Image(id=f"sha256:{i}", repo_tags=[i], size=1) for i in sorted(self.images)]

    async def events(self) -> AsyncIterator[api.ContainerEventResponse]:
        if not self._has_events:
            raise CriError("Unimplemented", "unknown method GetContainerEvents")
        queue: asyncio.Queue[api.ContainerEventResponse] = asyncio.Queue()
        self._queues.append(queue)
        while True:
            yield await queue.get()
