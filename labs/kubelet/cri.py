"""The container runtime, over CRI v1 (gRPC on a Unix socket).

`Cri` is all of the runtime that the kubelet sees. Errors keep the runtime's words, in Go's shape.
"""

import asyncio
import math
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as api
from cri_api.v1.api_pb2_grpc import ImageServiceStub, RuntimeServiceStub

from labs.golang.quoting import quote
from labs.kubelet import klog

#: Calls whose failing is told here, with the filter that they had; of others who calls them tells.
_TOLD: dict[type, tuple[str, str]] = {
    api.ListPodSandboxRequest: (
        "remote_runtime.go:347", "ListPodSandbox with filter from runtime service failed"
    ),
    api.ListContainersRequest: (
        "remote_runtime.go:506", "ListContainers with filter from runtime service failed"
    ),
    api.StatusRequest: ("remote_runtime.go:801", "Status from runtime service failed"),
    api.ListImagesRequest: ("remote_image.go:161", "ListImages with filter from image service failed"),
}  # fmt: skip
_CODES = {
    "OK": "OK", "CANCELLED": "Canceled", "UNKNOWN": "Unknown", "INVALID_ARGUMENT": "InvalidArgument",
    "DEADLINE_EXCEEDED": "DeadlineExceeded", "NOT_FOUND": "NotFound", "ALREADY_EXISTS": "AlreadyExists",
    "PERMISSION_DENIED": "PermissionDenied", "RESOURCE_EXHAUSTED": "ResourceExhausted",
    "FAILED_PRECONDITION": "FailedPrecondition", "ABORTED": "Aborted", "OUT_OF_RANGE": "OutOfRange",
    "UNIMPLEMENTED": "Unimplemented", "INTERNAL": "Internal", "UNAVAILABLE": "Unavailable",
    "DATA_LOSS": "DataLoss", "UNAUTHENTICATED": "Unauthenticated",
}  # fmt: skip


class CriError(Exception):
    """The runtime refused or could not be reached."""

    def __init__(self, code: str, details: str) -> None:
        self.code = code
        self.details = details
        super().__init__(f"rpc error: code = {code} desc = {details}")

    @property
    def not_found(self) -> bool:
        return self.code == "NotFound"


class Cri:
    """One connection to the runtime's socket. Every method raises CriError."""

    def __init__(
        self,
        endpoint: str,
        timeout: float = 120.0,
        observe: Callable[[object, float, bool], None] = lambda *_: None,
    ) -> None:
        """`observe` is told of each call: the request, how many seconds it took, whether it failed."""
        options = [("grpc.max_receive_message_length", 16 << 20), ("grpc.enable_http_proxy", 0)]
        options += [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 1000)]
        self._socket = endpoint.removeprefix("unix://")
        self._channel = grpc.aio.insecure_channel(f"unix://{self._socket}", options=options)
        self._runtime = RuntimeServiceStub(self._channel)
        self._images = ImageServiceStub(self._channel)
        self._timeout = timeout
        self._observe = observe

    async def close(self) -> None:
        await self._channel.close(None)

    def _error(self, error: grpc.aio.AioRpcError) -> CriError:
        """Of a runtime that cannot be reached, with Go's reason."""
        code, details = _CODES[error.code().name], error.details() or ""
        if code == "Unavailable":
            details = self._unreachable() or "error reading from server: EOF"
        return CriError(code, details)

    def _unreachable(self) -> str:
        """Why nobody can be reached now; empty when somebody can."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self._socket)
            except BlockingIOError:  # somebody listens, and is busy
                return ""
            except OSError as failure:
                why = f"dial unix {self._socket}: connect: {os.strerror(failure.errno or 0).lower()}"
                return f"connection error: desc = {quote(f'transport: Error while dialing: {why}')}"
        return ""

    async def _call(self, method: Any, request: Any, timeout: float | None = None) -> Any:
        """One call; infinity is no time limit, None the usual one."""
        limit = self._timeout if timeout is None else timeout
        began, failed = time.monotonic(), True
        try:
            reply = await method(request, timeout=None if limit == math.inf else limit)
            failed = False
            return reply
        except grpc.aio.AioRpcError as error:
            why = self._error(error)
            if told := _TOLD.get(type(request)):
                klog.error(*told, why, **_filter(request))
            raise why from None
        finally:
            self._observe(request, time.monotonic() - began, failed)

    async def wait_until_up(self, timeout: float) -> api.VersionResponse:
        """The runtime's version, as soon as its socket answers; CriError after `timeout` seconds."""
        try:
            request = api.VersionRequest(version="0.1.0")
            reply: api.VersionResponse = await self._runtime.Version(
                request, timeout=timeout, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            if details := self._unreachable():
                raise CriError("Unavailable", details) from None
            raise self._error(error) from None
        return reply

    async def version(self) -> api.VersionResponse:
        """The runtime's version, asked for once."""
        reply: api.VersionResponse = await self._call(
            self._runtime.Version, api.VersionRequest(version="0.1.0"), 10
        )
        return reply

    async def status(self) -> api.StatusResponse:
        reply: api.StatusResponse = await self._call(self._runtime.Status, api.StatusRequest(), 10)
        return reply

    async def cgroup_driver(self) -> str:
        """`systemd` or `cgroupfs`, as the runtime wants it; "" when it does not say (CRI before 1.28)."""
        try:
            reply = await self._call(self._runtime.RuntimeConfig, api.RuntimeConfigRequest(), 10)
        except CriError as error:
            if error.code == "Unimplemented":
                return ""
            raise
        return (
            str(api.CgroupDriver.Name(reply.linux.cgroup_driver)).lower() if reply.HasField("linux") else ""
        )

    async def run_sandbox(self, config: api.PodSandboxConfig, handler: str = "") -> str:
        request = api.RunPodSandboxRequest(config=config, runtime_handler=handler)
        reply = await self._call(self._runtime.RunPodSandbox, request)
        return str(reply.pod_sandbox_id)

    async def stop_sandbox(self, sandbox: str) -> None:
        await self._call(self._runtime.StopPodSandbox, api.StopPodSandboxRequest(pod_sandbox_id=sandbox))

    async def remove_sandbox(self, sandbox: str) -> None:
        await self._call(self._runtime.RemovePodSandbox, api.RemovePodSandboxRequest(pod_sandbox_id=sandbox))

    async def sandbox_status(self, sandbox: str) -> api.PodSandboxStatus:
        request = api.PodSandboxStatusRequest(pod_sandbox_id=sandbox)
        status: api.PodSandboxStatus = (await self._call(self._runtime.PodSandboxStatus, request)).status
        return status

    async def list_sandboxes(self, labels: dict[str, str] | None = None) -> list[api.PodSandbox]:
        request = api.ListPodSandboxRequest(filter=api.PodSandboxFilter(label_selector=labels or {}))
        return list((await self._call(self._runtime.ListPodSandbox, request)).items)

    async def create_container(
        self, sandbox: str, config: api.ContainerConfig, sandbox_config: api.PodSandboxConfig
    ) -> str:
        request = api.CreateContainerRequest(
            pod_sandbox_id=sandbox, config=config, sandbox_config=sandbox_config
        )
        return str((await self._call(self._runtime.CreateContainer, request)).container_id)

    async def start_container(self, container: str) -> None:
        await self._call(self._runtime.StartContainer, api.StartContainerRequest(container_id=container))

    async def stop_container(self, container: str, grace: int) -> None:
        request = api.StopContainerRequest(container_id=container, timeout=grace)
        await self._call(self._runtime.StopContainer, request, self._timeout + grace)

    async def remove_container(self, container: str) -> None:
        await self._call(self._runtime.RemoveContainer, api.RemoveContainerRequest(container_id=container))

    async def container_status(self, container: str) -> api.ContainerStatus:
        request = api.ContainerStatusRequest(container_id=container)
        status: api.ContainerStatus = (await self._call(self._runtime.ContainerStatus, request)).status
        return status

    async def list_containers(self, labels: dict[str, str] | None = None) -> list[api.Container]:
        request = api.ListContainersRequest(filter=api.ContainerFilter(label_selector=labels or {}))
        return list((await self._call(self._runtime.ListContainers, request)).containers)

    async def exec_sync(self, container: str, command: tuple[str, ...], timeout: int) -> api.ExecSyncResponse:
        """Run a command to its end; a timeout of 0 lets it take as long as it takes."""
        request = api.ExecSyncRequest(container_id=container, cmd=command, timeout=timeout)
        reply: api.ExecSyncResponse = await self._call(
            self._runtime.ExecSync, request, timeout + 5 if timeout else math.inf
        )
        return reply

    async def exec(
        self, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        """The URL at which a command's streams are."""
        request = api.ExecRequest(
            container_id=container, cmd=command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
        )
        return str((await self._call(self._runtime.Exec, request)).url)

    async def attach(self, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """The URL at which a container's own streams are."""
        request = api.AttachRequest(
            container_id=container, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
        )
        return str((await self._call(self._runtime.Attach, request)).url)

    async def port_forward(self, sandbox: str) -> str:
        """The URL at which a pod's ports are."""
        request = api.PortForwardRequest(pod_sandbox_id=sandbox)
        return str((await self._call(self._runtime.PortForward, request)).url)

    async def container_stats(self) -> list[api.ContainerStats]:
        """What each running container uses."""
        request = api.ListContainerStatsRequest()
        return list((await self._call(self._runtime.ListContainerStats, request)).stats)

    async def image_filesystem(self) -> api.ImageFsInfoResponse:
        """What images and containers take on the disk."""
        reply: api.ImageFsInfoResponse = await self._call(self._images.ImageFsInfo, api.ImageFsInfoRequest())
        return reply

    async def reopen_log(self, container: str) -> None:
        await self._call(
            self._runtime.ReopenContainerLog, api.ReopenContainerLogRequest(container_id=container)
        )

    async def image_status(self, image: str) -> api.Image | None:
        """The image, or None when the runtime does not have it."""
        request = api.ImageStatusRequest(image=api.ImageSpec(image=image))
        reply = await self._call(self._images.ImageStatus, request)
        return reply.image if reply.image.id else None

    async def pull_image(self, image: str, sandbox_config: api.PodSandboxConfig) -> str:
        request = api.PullImageRequest(image=api.ImageSpec(image=image), sandbox_config=sandbox_config)
        return str((await self._call(self._images.PullImage, request, 600)).image_ref)

    async def list_images(self) -> list[api.Image]:
        return list((await self._call(self._images.ListImages, api.ListImagesRequest())).images)

    async def events(self) -> AsyncIterator[api.ContainerEventResponse]:
        """Container events as they happen; ends with CriError, `Unimplemented` where the runtime has none."""
        stream = self._runtime.GetContainerEvents(api.GetEventsRequest())
        try:
            async for event in stream:
                yield event
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from None
        except asyncio.CancelledError:
            stream.cancel()
            raise
        raise CriError("Unavailable", "the stream of container events ended")


def _filter(request: Any) -> dict[str, str]:
    """What a list was to be of, as Go shows the message."""
    match request:
        case api.ListPodSandboxRequest() | api.ListContainersRequest():
            labels = sorted(request.filter.label_selector.items())
            shown = (f"label_selector:{{key:{quote(key)} value:{quote(value)}}}" for key, value in labels)
            return {"filter": " ".join(shown)}
        case api.ListImagesRequest():
            return {"filter": "<nil>"}
    return {}
