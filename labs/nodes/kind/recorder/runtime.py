"""containerd as a source: each step of each sandbox and container, and that the runtime came back."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as api
from cri_api.v1.api_pb2_grpc import RuntimeServiceStub

from labs.nodes.kind.recorder.containerd import Happening, happenings
from labs.nodes.kind.recorder.output import tell
from labs.nodes.kind.recorder.tracker import Exit, Stage, Thing, Tracker

ENDPOINT = "unix:///run/containerd/containerd.sock"
#: How often everything is listed, for good measure.
RELIST_SECONDS = 1.0
_RETRY_SECONDS = 0.2

_STAGES = {
    api.CONTAINER_CREATED: Stage.CREATED,
    api.CONTAINER_RUNNING: Stage.STARTED,
    api.CONTAINER_EXITED: Stage.ENDED,
    api.CONTAINER_UNKNOWN: Stage.CREATED,
}
_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
]


class Runtime:
    """Tells what the tracker learns from containerd's events and from listings over CRI."""

    def __init__(self, recorded: Iterable[Mapping[str, Any]], endpoint: str = ENDPOINT) -> None:
        """`recorded` is what the evidence last said of each sandbox and container."""
        self._tracker = Tracker(tell, recorded)
        self._endpoint = endpoint
        self._cri: RuntimeServiceStub | None = None
        self._listing = asyncio.Lock()

    async def run(self) -> None:
        """Follow containerd until cancelled, however often it goes and comes back."""
        lost = False
        while True:
            async with grpc.aio.insecure_channel(self._endpoint, options=_OPTIONS) as channel:
                cri = RuntimeServiceStub(channel)
                with suppress(grpc.aio.AioRpcError):
                    await cri.Version(api.VersionRequest(), wait_for_ready=True, timeout=60)
                    if lost:
                        tell(source="runtime", event="RuntimeStarted")
                    self._cri, lost = cri, True
                    await self._follow(channel)
                self._cri = None
            await asyncio.sleep(_RETRY_SECONDS)

    async def settle(self) -> None:
        """Return when all that has happened by now has been told; `OSError` while containerd is away."""
        if self._cri is None:
            raise OSError("containerd does not answer")
        try:
            await self._relist(self._cri)
        except grpc.aio.AioRpcError as error:
            raise OSError(error.details() or error.code().name) from error

    async def _follow(self, channel: grpc.aio.Channel) -> None:
        """Take in events and, as often as agreed, listings, until containerd goes away."""
        relisting = asyncio.create_task(self._keep_listing())
        try:
            async for happening in happenings(channel):
                await self._take(happening)
        finally:
            relisting.cancel()

    async def _keep_listing(self) -> None:
        while self._cri is not None:
            with suppress(grpc.aio.AioRpcError):
                await self._relist(self._cri)
            await asyncio.sleep(RELIST_SECONDS)

    async def _take(self, happening: Happening) -> None:
        id, at = happening.id, happening.at
        if happening.topic == "/containers/delete":
            self._tracker.removed(id, at)
            return
        if happening.topic not in ("/containers/create", "/tasks/start", "/tasks/exit"):
            return
        if not self._tracker.knows(id) and self._cri is not None:
            await self._relist(self._cri)
        if happening.topic == "/tasks/start":
            self._tracker.started(id, at)
        elif happening.topic == "/tasks/exit" and happening.process == id:
            self._tracker.ended(id, happening.status, at)

    async def _relist(self, cri: RuntimeServiceStub) -> None:
        async with self._listing:  # an older listing must not be taken in after a newer one
            # in this order: a container that is there has a sandbox
            containers = (await cri.ListContainers(api.ListContainersRequest())).containers
            sandboxes = (await cri.ListPodSandbox(api.ListPodSandboxRequest())).items
            pods = {sandbox.id: _pod(sandbox.metadata) for sandbox in sandboxes}
            things = [_sandbox(sandbox, pods[sandbox.id]) for sandbox in sandboxes]
            for container in containers:
                thing = _container(container, pods.get(container.pod_sandbox_id))
                if not self._tracker.knows(thing.id) or thing.stage > self._tracker.stage(thing.id):
                    thing = await _looked_at(cri, thing)
                things.append(thing)
            self._tracker.listed(things)


def _pod(metadata: api.PodSandboxMetadata) -> dict[str, str]:
    return {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid}


def _sandbox(sandbox: api.PodSandbox, pod: Mapping[str, str]) -> Thing:
    stage = Stage.CREATED if sandbox.state == api.SANDBOX_READY else Stage.ENDED
    about = {"id": sandbox.id, "sandbox": sandbox.id, "pod": pod}
    return Thing(sandbox.id, stage, about, is_sandbox=True, created=sandbox.created_at / 1e9)


def _container(container: api.Container, pod: Mapping[str, str] | None) -> Thing:
    about = {
        "id": container.id,
        "sandbox": container.pod_sandbox_id,
        "pod": pod,
        "container": container.metadata.name,
        "image": "",
        "attempt": container.metadata.attempt,
    }
    return Thing(container.id, _STAGES[container.state], about, created=container.created_at / 1e9)


async def _looked_at(cri: RuntimeServiceStub, thing: Thing) -> Thing:
    """With what no listing says: the image's name, and when and how it started and ended."""
    try:
        status = (await cri.ContainerStatus(api.ContainerStatusRequest(container_id=thing.id))).status
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise
        return thing  # removed meanwhile, which the next listing will say
    exit = None
    if status.state == api.CONTAINER_EXITED:
        exit = Exit(status.exit_code, status.finished_at / 1e9, status.reason)
    return Thing(
        thing.id,
        max(thing.stage, _STAGES[status.state]),
        {**thing.about, "image": status.image.image},
        created=thing.created,
        started=status.started_at / 1e9 or None,
        exit=exit,
    )
