"""The kubelet's side of CRI, against a real gRPC server on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from cri_api.v1 import api_pb2 as api
from cri_api.v1.api_pb2_grpc import (
    ImageServiceServicer,
    RuntimeServiceServicer,
    add_ImageServiceServicer_to_server,
    add_RuntimeServiceServicer_to_server,
)

from labs.kubelet.cri import Cri, CriError
from labs.kubelet.runtime_status import State, read_pod_status
from tests.kubelet.memory_runtime import MemoryRuntime
from tests.kubelet.node import START


class Served(RuntimeServiceServicer, ImageServiceServicer):  # type: ignore[misc]
    """The in-memory runtime behind CRI's wire format."""

    def __init__(self, runtime: MemoryRuntime) -> None:
        self._runtime = runtime

    async def Version(self, request: Any, context: Any) -> Any:  # noqa: N802
        return api.VersionResponse(version="0.1.0", runtime_name="containerd", runtime_version="1.6.20")

    async def RunPodSandbox(self, request: Any, context: Any) -> Any:  # noqa: N802
        return api.RunPodSandboxResponse(pod_sandbox_id=await self._runtime.run_sandbox(request.config))

    async def ListPodSandbox(self, request: Any, context: Any) -> Any:  # noqa: N802
        items = await self._runtime.list_sandboxes(dict(request.filter.label_selector))
        return api.ListPodSandboxResponse(items=items)

    async def ListContainers(self, request: Any, context: Any) -> Any:  # noqa: N802
        items = await self._runtime.list_containers(dict(request.filter.label_selector))
        return api.ListContainersResponse(containers=items)

    async def PodSandboxStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        return api.PodSandboxStatusResponse(status=await self._runtime.sandbox_status(request.pod_sandbox_id))

    async def CreateContainer(self, request: Any, context: Any) -> Any:  # noqa: N802
        arguments = (request.pod_sandbox_id, request.config, request.sandbox_config)
        return api.CreateContainerResponse(container_id=await self._runtime.create_container(*arguments))

    async def StartContainer(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._runtime.start_container(request.container_id)
        return api.StartContainerResponse()

    async def ContainerStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            status = await self._runtime.container_status(request.container_id)
        except CriError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, error.details)
        return api.ContainerStatusResponse(status=status)

    async def ImageStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        return api.ImageStatusResponse(image=await self._runtime.image_status(request.image.image))


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[Cri]:
    """A client of a served in-memory runtime."""
    endpoint = f"unix://{folder}/cri.sock"
    server = grpc.aio.server()
    served = Served(MemoryRuntime(lambda: START))
    add_RuntimeServiceServicer_to_server(served, server)
    add_ImageServiceServicer_to_server(served, server)
    server.add_insecure_port(endpoint)
    await server.start()
    cri = Cri(endpoint)
    try:
        yield cri
    finally:
        await cri.close()
        await server.stop(None)


def test_a_pod_is_read_back_as_it_was_made(tmp_path: Path) -> None:
    labels = {"io.kubernetes.pod.uid": "u1", "io.kubernetes.container.name": "main"}
    annotations = {"io.kubernetes.container.restartCount": "3", "io.kubernetes.container.hash": "abc"}

    async def check() -> None:
        async with connected(tmp_path) as cri:
            sandbox_config = api.PodSandboxConfig(
                metadata=api.PodSandboxMetadata(name="web", uid="u1", namespace="default"), labels=labels
            )
            sandbox = await cri.run_sandbox(sandbox_config)
            config = api.ContainerConfig(
                metadata=api.ContainerMetadata(name="main"),
                image=api.ImageSpec(image="sha256:1", user_specified_image="busybox:1.36"),
                labels=labels,
                annotations=annotations,
            )
            container = await cri.create_container(sandbox, config, sandbox_config)
            await cri.start_container(container)

            status = await read_pod_status(cri, "u1")

            assert [(s.id, s.ready, s.ips) for s in status.sandboxes] == [(sandbox, True, ("10.244.0.1",))]
            newest = status.newest("main")
            assert newest is not None
            assert (newest.id, newest.state, newest.restart_count) == (container, State.RUNNING, 3)
            assert newest.started_at == START
            assert (await read_pod_status(cri, "another")).containers == ()

    asyncio.run(check())


def test_a_refusal_keeps_the_runtimes_words(tmp_path: Path) -> None:
    async def check() -> CriError:
        async with connected(tmp_path) as cri:
            with pytest.raises(CriError) as caught:
                await cri.container_status("nothing")
            return caught.value

    error = asyncio.run(check())
    assert error.not_found
    assert str(error) == (
        'rpc error: code = NotFound desc = an error occurred when try to find container "nothing": not found'
    )


def test_an_image_the_runtime_lacks_is_none(tmp_path: Path) -> None:
    async def check() -> tuple[bool, bool]:
        async with connected(tmp_path) as cri:
            return await cri.image_status("busybox:1.36") is None, await cri.image_status("nothing:1") is None

    assert asyncio.run(check()) == (False, True)


def test_a_runtime_without_events_says_unimplemented(tmp_path: Path) -> None:
    async def check() -> str:
        async with connected(tmp_path) as cri:
            with pytest.raises(CriError) as caught:
                async for _ in cri.events():
                    pass
            return caught.value.code

    assert asyncio.run(check()) == "Unimplemented"


def test_the_kubelet_waits_for_a_runtime_that_comes_up_later(tmp_path: Path) -> None:
    async def check() -> str:
        endpoint = f"unix://{tmp_path}/cri.sock"
        cri = Cri(endpoint)
        waiting = asyncio.create_task(cri.wait_until_up(20))
        await asyncio.sleep(0)
        server = grpc.aio.server()
        add_RuntimeServiceServicer_to_server(Served(MemoryRuntime(lambda: START)), server)
        server.add_insecure_port(endpoint)
        await server.start()
        version = await waiting
        await cri.close()
        await server.stop(None)
        return str(version.runtime_name)

    assert asyncio.run(check()) == "containerd"


@pytest.mark.parametrize("scheme", ["unix://", ""])
def test_a_runtime_that_is_not_there_is_told_in_gos_words(tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "cri.sock"

    async def complaints() -> list[str]:
        cri = Cri(f"{scheme}{path}")
        said = []
        for ask in (lambda: cri.wait_until_up(0.1), cri.version, cri.status):
            with pytest.raises(CriError) as failed:
                await ask()
            said.append(str(failed.value))
        await cri.close()
        return said

    def gone(why: str) -> str:
        dialing = f"transport: Error while dialing: dial unix {path}: connect: {why}"
        return f'rpc error: code = Unavailable desc = connection error: desc = "{dialing}"'

    assert asyncio.run(complaints()) == [gone("no such file or directory")] * 3
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        assert asyncio.run(complaints()) == [gone("connection refused")] * 3


def test_a_runtime_that_dies_in_mid_call_is_told_in_gos_words(tmp_path: Path) -> None:
    class Dying(Served):
        async def Version(self, request: Any, context: Any) -> Any:  # noqa: N802
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    async def complaint() -> str:
        server = grpc.aio.server()
        add_RuntimeServiceServicer_to_server(Dying(MemoryRuntime(lambda: START)), server)
        server.add_insecure_port(f"unix://{tmp_path}/cri.sock")
        await server.start()
        cri = Cri(f"unix://{tmp_path}/cri.sock")
        with pytest.raises(CriError) as failed:
            await cri.wait_until_up(20)
        await cri.close()
        await server.stop(None)
        return str(failed.value)

    assert asyncio.run(complaint()) == ("rpc error: code = Unavailable desc = error reading from server: EOF")
