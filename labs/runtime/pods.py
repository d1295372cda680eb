"""What concerns a sandbox and its containers together: the order of stopping, and who is told of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime import messages
from labs.runtime.containers import Containers
from labs.runtime.errors import CriError
from labs.runtime.monitor import Monitor, MonitorError
from labs.runtime.processes import Processes
from labs.runtime.records import Container, Sandbox
from labs.runtime.sandboxes import Sandboxes


class Pods:
    """Sandboxes with their containers."""

    def __init__(
        self, sandboxes: Sandboxes, containers: Containers, processes: Processes, monitor: Monitor
    ) -> None:
        self.sandboxes = sandboxes
        self._containers = containers
        self._monitor = monitor
        #: Who wants to hear of each step of each container (GetContainerEvents).
        self.listeners: set[asyncio.Queue[Any]] = set()
        processes.on_exit = self._exited
        #: What is being made or started now, by id: whoever is to stop it waits until that is over.
        self._starting: dict[str, asyncio.Event] = {}

    def containers_of(self, sandbox: Sandbox) -> list[Container]:
        return [each for each in self._containers.records if each.sandbox_id == sandbox.id]

    @asynccontextmanager
    async def _start_of(self, identity: str) -> AsyncIterator[None]:
        self._starting[identity] = over = asyncio.Event()
        try:
            yield
        finally:
            del self._starting[identity]
            over.set()

    async def _started(self, identity: str) -> None:
        if identity in self._starting:
            await self._starting[identity].wait()

    async def run(self, config: Any, handler: str) -> Sandbox:
        sandbox = self.sandboxes.new(config, handler)
        async with self._start_of(sandbox.id):
            await self.sandboxes.start(sandbox)
        return sandbox

    async def stop(self, sandbox: Sandbox) -> None:
        """Kill what still runs in the sandbox (the kubelet has asked politely before), then the sandbox."""
        await self._started(sandbox.id)
        await asyncio.gather(*(self.stop_container(each, 0) for each in self.containers_of(sandbox)))
        await self.sandboxes.stop(sandbox)

    async def remove(self, sandbox: Sandbox) -> None:
        await self.stop(sandbox)
        for container in self.containers_of(sandbox):
            await self.remove_container(container)
        await self.sandboxes.remove(sandbox)

    async def create(self, sandbox: Sandbox, config: Any, sandbox_config: Any) -> Container:
        container = self._containers.create(sandbox, config, sandbox_config)
        self._tell(cri.CONTAINER_CREATED_EVENT, container)
        return container

    async def start(self, container: Container) -> None:
        if container.id in self._starting:
            raise CriError(f'failed to set starting state for container "{container.id}": it is starting')
        async with self._start_of(container.id):
            await self._containers.start(container)
        self._tell(cri.CONTAINER_STARTED_EVENT, container)

    async def stop_container(self, container: Container, grace: float) -> None:
        await self._started(container.id)
        await self._containers.stop(container, grace)

    async def remove_container(self, container: Container) -> None:
        await self._started(container.id)
        await self._containers.remove(container)
        self._tell(cri.CONTAINER_DELETED_EVENT, container)

    async def reopen_log(self, container: Container) -> None:
        if not container.running:
            raise CriError("container is not running")
        try:
            await self._monitor.reopen(container.id)
        except MonitorError as failure:
            raise CriError(f"failed to reopen container log: {failure}") from failure

    def _exited(self, name: str, code: int, finished: int) -> None:
        container = self._containers.records.find(name)
        if container is not None:
            self._containers.exited(container, code, finished)
            self._tell(cri.CONTAINER_STOPPED_EVENT, container)
        sandbox = self.sandboxes.records.find(name)
        if sandbox is not None:
            self.sandboxes.exited(sandbox)

    def _tell(self, kind: int, container: Container) -> None:
        if not self.listeners:
            return
        sandbox = self.sandboxes.records.find(container.sandbox_id)
        all_of_pod = self.containers_of(sandbox) if sandbox else []
        event = messages.event(kind, container, sandbox, all_of_pod)
        for listener in self.listeners:
            listener.put_nowait(event)
