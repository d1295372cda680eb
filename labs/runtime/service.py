"""CRI's two services: each call is one method, each error its gRPC code."""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as cri
from cri_api.v1 import api_pb2_grpc

from labs.runtime import details, messages, stats
from labs.runtime.cni import NOT_INITIALIZED, NoNetworkError
from labs.runtime.containers import Containers
from labs.runtime.errors import CriError
from labs.runtime.execution import Executions
from labs.runtime.images import ImageStore
from labs.runtime.network import PodNetwork
from labs.runtime.pods import Pods
from labs.runtime.streaming import StreamServer

log = logging.getLogger("containerd")

NAME, VERSION = "containerd", "1.6.20"
#: Of this runtime's own interface, as containerd says.
KUBELET_API_VERSION, API_VERSION = "0.1.0", "v1"

Method = Callable[[Any, Any], Awaitable[Any]]


def answered(method: Method) -> Callable[[Any, Any, Any], Awaitable[Any]]:
    """Turn our errors into gRPC statuses; what was not foreseen is logged in full and answered in short."""

    @functools.wraps(method)
    async def call(self: Any, request: Any, context: Any) -> Any:
        try:
            return await method(self, request)
        except CriError as failure:
            await context.abort(failure.code, str(failure))
        except Exception as failure:
            log.exception("%s failed", method.__name__)
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(failure).__name__}: {failure}")

    return call


def finished(method: Method) -> Method:
    """Go on to the end although the client has gone meanwhile: nothing is left half started."""
    working: set[asyncio.Future[Any]] = set()

    def over(task: "asyncio.Future[Any]") -> None:
        working.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked has heard of it, or does not listen any more

    @functools.wraps(method)
    async def call(self: Any, request: Any) -> Any:
        task = asyncio.ensure_future(method(self, request))
        working.add(task)
        task.add_done_callback(over)
        return await asyncio.shield(task)

    return call


class RuntimeService(api_pb2_grpc.RuntimeServiceServicer):  # type: ignore[misc]
    """Pods and containers."""

    def __init__(
        self,
        pods: Pods,
        containers: Containers,
        executions: Executions,
        images: ImageStore,
        network: PodNetwork,
        streams: StreamServer,
    ) -> None:
        self._pods = pods
        self._sandboxes = pods.sandboxes.records
        self._containers = containers
        self._executions = executions
        self._images = images
        self._network = network
        self._streams = streams

    @answered
    async def Version(self, _: Any) -> Any:
        return cri.VersionResponse(
            version=KUBELET_API_VERSION,
            runtime_name=NAME,
            runtime_version=VERSION,
            runtime_api_version=API_VERSION,
        )

    @answered
    async def Status(self, request: Any) -> Any:
        network = cri.RuntimeCondition(type="NetworkReady", status=True)
        configuration = None
        try:
            configuration = self._network.configuration
        except NoNetworkError:
            network.status, network.reason = False, "NetworkPluginNotReady"
            network.message = f"Network plugin returns error: {NOT_INITIALIZED}"
        ready = cri.RuntimeCondition(type="RuntimeReady", status=True)
        features = cri.RuntimeHandlerFeatures(recursive_read_only_mounts=True)
        return cri.StatusResponse(
            status=cri.RuntimeStatus(conditions=[ready, network]),
            runtime_handlers=[cri.RuntimeHandler(name=name, features=features) for name in ("", "runc")],
            info=details.of_runtime(configuration) if request.verbose else {},
        )

    @answered
    @finished
    async def RunPodSandbox(self, request: Any) -> Any:
        sandbox = await self._pods.run(request.config, request.runtime_handler)
        return cri.RunPodSandboxResponse(pod_sandbox_id=sandbox.id)

    @answered
    async def StopPodSandbox(self, request: Any) -> Any:
        sandbox = self._sandboxes.find(request.pod_sandbox_id)
        if sandbox is not None:
            await self._pods.stop(sandbox)
        return cri.StopPodSandboxResponse()

    @answered
    async def RemovePodSandbox(self, request: Any) -> Any:
        sandbox = self._sandboxes.find(request.pod_sandbox_id)
        if sandbox is not None:
            await self._pods.remove(sandbox)
        return cri.RemovePodSandboxResponse()

    @answered
    async def PodSandboxStatus(self, request: Any) -> Any:
        sandbox = self._sandboxes.get(request.pod_sandbox_id)
        info = details.of_sandbox(sandbox) if request.verbose else {}
        return cri.PodSandboxStatusResponse(status=messages.sandbox_status(sandbox), info=info)

    @answered
    async def ListPodSandbox(self, request: Any) -> Any:
        items = [
            messages.sandbox_item(each)
            for each in self._sandboxes.having(request.filter.label_selector)
            if messages.sandbox_matches(each, request.filter)
        ]
        return cri.ListPodSandboxResponse(items=items)

    @answered
    async def CreateContainer(self, request: Any) -> Any:
        sandbox = self._sandboxes.get(request.pod_sandbox_id)
        container = await self._pods.create(sandbox, request.config, request.sandbox_config)
        return cri.CreateContainerResponse(container_id=container.id)

    @answered
    @finished
    async def StartContainer(self, request: Any) -> Any:
        await self._pods.start(self._containers.records.get(request.container_id))
        return cri.StartContainerResponse()

    @answered
    async def StopContainer(self, request: Any) -> Any:
        container = self._containers.records.find(request.container_id)
        if container is not None:
            await self._pods.stop_container(container, float(request.timeout))
        return cri.StopContainerResponse()

    @answered
    async def RemoveContainer(self, request: Any) -> Any:
        container = self._containers.records.find(request.container_id)
        if container is not None:
            await self._pods.remove_container(container)
        return cri.RemoveContainerResponse()

    @answered
    async def ListContainers(self, request: Any) -> Any:
        items = [
            messages.container_item(each)
            for each in self._containers.records.having(request.filter.label_selector)
            if messages.container_matches(each, request.filter)
        ]
        return cri.ListContainersResponse(containers=items)

    @answered
    async def ContainerStatus(self, request: Any) -> Any:
        container = self._containers.records.get(request.container_id)
        info = {}
        if request.verbose:
            info = details.of_container(container, self._sandboxes.find(container.sandbox_id))
        return cri.ContainerStatusResponse(status=messages.container_status(container), info=info)

    @answered
    async def UpdateContainerResources(self, request: Any) -> Any:
        """Noted and shown; of memory it is the limit from now on, a node has no cgroups for the others."""
        container = self._containers.records.get(request.container_id)
        container.config.linux.resources.MergeFrom(request.linux)
        self._containers.records.save_config(container)
        self._containers.memory.started(container)
        return cri.UpdateContainerResourcesResponse()

    @answered
    async def ReopenContainerLog(self, request: Any) -> Any:
        await self._pods.reopen_log(self._containers.records.get(request.container_id))
        return cri.ReopenContainerLogResponse()

    @answered
    async def ExecSync(self, request: Any) -> Any:
        container = self._containers.records.get(request.container_id)
        code, out, err = await self._executions.run(container, list(request.cmd), float(request.timeout))
        return cri.ExecSyncResponse(stdout=out, stderr=err, exit_code=code)

    @answered
    async def Exec(self, request: Any) -> Any:
        return cri.ExecResponse(url=await self._streams.exec(request))

    @answered
    async def Attach(self, request: Any) -> Any:
        return cri.AttachResponse(url=await self._streams.attach(request))

    @answered
    async def PortForward(self, request: Any) -> Any:
        return cri.PortForwardResponse(url=await self._streams.port_forward(request))

    @answered
    async def ContainerStats(self, request: Any) -> Any:
        container = self._containers.records.get(request.container_id)
        return cri.ContainerStatsResponse(stats=stats.of_container(container))

    @answered
    async def ListContainerStats(self, request: Any) -> Any:
        listed = [
            stats.of_container(each)
            for each in self._containers.records.having(request.filter.label_selector)
            if each.running and messages.stats_match(each, request.filter)
        ]
        return cri.ListContainerStatsResponse(stats=listed)

    @answered
    async def PodSandboxStats(self, request: Any) -> Any:
        sandbox = self._sandboxes.get(request.pod_sandbox_id)
        return cri.PodSandboxStatsResponse(stats=self._sandbox_stats(sandbox))

    @answered
    async def ListPodSandboxStats(self, request: Any) -> Any:
        listed = [
            self._sandbox_stats(each)
            for each in self._sandboxes.having(request.filter.label_selector)
            if each.ready and each.id.startswith(request.filter.id)
        ]
        return cri.ListPodSandboxStatsResponse(stats=listed)

    def _sandbox_stats(self, sandbox: Any) -> Any:
        return stats.of_sandbox(sandbox, self._pods.containers_of(sandbox))

    @answered
    async def UpdateRuntimeConfig(self, _: Any) -> Any:
        """Ignored, as by a containerd without a template for CNI: the addresses are the node's own matter."""
        return cri.UpdateRuntimeConfigResponse()

    @answered
    async def UpdatePodSandboxResources(self, _: Any) -> Any:
        """Nothing to do, as for a containerd without plug-ins: a pod as a whole has no limits here."""
        return cri.UpdatePodSandboxResourcesResponse()

    @answered
    async def RuntimeConfig(self, _: Any) -> Any:
        return cri.RuntimeConfigResponse(linux=cri.LinuxRuntimeConfiguration(cgroup_driver=cri.CGROUPFS))

    async def GetContainerEvents(self, _: Any, context: Any) -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._pods.listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._pods.listeners.discard(queue)


class ImageService(api_pb2_grpc.ImageServiceServicer):  # type: ignore[misc]
    """Images."""

    def __init__(self, images: ImageStore, containers: Containers) -> None:
        self._images = images
        self._containers = containers

    @answered
    async def ListImages(self, request: Any) -> Any:
        wanted = request.filter.image.image
        chosen = [self._images.find(wanted)] if wanted else self._images.all()
        return cri.ListImagesResponse(
            images=[messages.image(each, self._images.size(each)) for each in chosen if each is not None]
        )

    @answered
    async def ImageStatus(self, request: Any) -> Any:
        image = self._images.find(request.image.image)
        if image is None:
            return cri.ImageStatusResponse()
        info = details.of_image(image) if request.verbose else {}
        return cri.ImageStatusResponse(image=messages.image(image, self._images.size(image)), info=info)

    @answered
    async def PullImage(self, request: Any) -> Any:
        return cri.PullImageResponse(image_ref=self._images.pull(request.image.image).id)

    @answered
    async def RemoveImage(self, request: Any) -> Any:
        self._images.remove(request.image.image)
        return cri.RemoveImageResponse()

    @answered
    async def ImageFsInfo(self, _: Any) -> Any:
        return cri.ImageFsInfoResponse(
            image_filesystems=[stats.filesystem(self._images.directory)],
            container_filesystems=[stats.filesystem(self._containers.records.directory)],
        )
