"""What concerns a sandbox and its containers together: the order of stopping, and who is told of it."""

import asyncio
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

    def containers_of(self, sandbox: Sandbox) -> list[Container]:
        return [each for each in self._containers.records if each.sandbox_id == sandbox.id]

    async def run(self, config: Any, handler: str) -> Sandbox:
        return await self.sandboxes.run(config, handler)

    async def stop(self, sandbox: Sandbox) -> None:
        """Kill what still runs in the sandbox (the kubelet has asked politely before), then the sandbox."""
        await asyncio.gather(*(self._containers.stop(each, 0) for each in self.containers_of(sandbox)))
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
        await self._containers.start(container)
        self._tell(cri.CONTAINER_STARTED_EVENT, container)

    async def remove_container(self, container: Container) -> None:
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
