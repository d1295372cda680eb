"""A kind cluster that is up: a container at Docker, which outlives the supervisor that looks after it."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from urllib3.exceptions import HTTPError

from labs.errors import LabsError
from labs.nodes.barrier import ApiProbe, Barriers
from labs.nodes.kind import threads
from labs.nodes.kind.container import boot
from labs.nodes.kind.daemon import explained
from labs.nodes.kind.machine import Machine
from labs.nodes.kind.node import KindNode
from labs.nodes.kind.recording import Recording
from labs.nodes.layout import Layout
from labs.nodes.progress import Progress
from labs.nodes.running import RunningCluster


class AbandonedError(LabsError):
    """Nobody waits any more for the node that is being booted."""


class KindCluster(RunningCluster):
    """The supervisor's side of one node container, which `labs down` removes and nothing else."""

    def __init__(self, layout: Layout, bare: bool, on_end: Callable[[str], None]) -> None:
        super().__init__(layout, on_end)
        self._bare = bare
        self._nodes: dict[str, KindNode] = {}
        self._machine: Machine | None = None
        self._api = ApiProbe(self._connect, layout.judge_credentials)
        self._recorder: asyncio.Task[None] | None = None
        self._abandoned = False

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that Docker leads to the API server."""
        assert self._machine is not None, "the node has not been booted"
        return self._machine.port

    async def start(self, progress: Progress) -> None:
        """Boot the container, or take over the one that runs, and begin to record."""
        progress.tell(stage="preparing")
        machine = self._machine = await threads.blocking(self._boot, progress)
        progress.tell(stage="node-up")
        recording = Recording(machine, self.evidence)
        self._nodes[machine.name] = KindNode(machine, lambda: recording.answered("journal"))
        self._barriers = Barriers(self.evidence, recording, self._api)
        self._recorder = asyncio.create_task(recording.run())
        threads.start(self._watch, machine, asyncio.get_running_loop(), name="docker's events")
        begun = asyncio.create_task(recording.begun())
        await asyncio.wait({begun, self._recorder}, return_when=asyncio.FIRST_COMPLETED)
        if self._recorder.done():
            begun.cancel()
            self._recorder.result()
        progress.tell(stage="units-started")

    def _boot(self, progress: Progress) -> Machine:
        def tell(text: str) -> None:
            if self._abandoned:
                raise AbandonedError("nobody waits for the node any more")
            progress.tell(stage=text)

        return boot(self._layout, self._spec, tell, bare=self._bare)

    async def serve(self) -> None:
        """Record; Docker itself carries what comes to the host's port."""
        assert self._recorder is not None, "the cluster has not been started"
        try:
            await asyncio.shield(self._recorder)
        except LabsError as error:
            self._on_end(str(error))
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Leave the container to itself; a boot that goes on in its thread ends with its next word."""
        self._abandoned = True
        if self._recorder is not None:
            self._recorder.cancel()
            with suppress(asyncio.CancelledError, LabsError):
                await self._recorder

    def close(self) -> None:
        """Let go of the evidence."""
        self.evidence.close()

    async def _connect(self) -> socket.socket:
        connection = socket.socket()
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        except BaseException:
            connection.close()
            raise
        return connection

    def _watch(self, machine: Machine, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until the container ends, or Docker itself, and say so."""
        threads.tell(loop, self._on_end, _end_of(machine))


def _end_of(machine: Machine) -> str:
    """Why the container, which runs when this is called, does not run any more: returns when that is so."""
    name, cluster = machine.container.name, machine.container.labels.get("io.x-k8s.kind.cluster", "NAME")
    try:
        with explained(f"watching the container {name}"):
            events = machine.client.events(
                decode=True, filters={"container": machine.container.id, "event": ["die", "destroy"]}
            )
            machine.container.reload()  # it may have ended before anybody listened
        if machine.container.status != "running":
            return f"the container {name} does not run"
        with suppress(
            OSError, HTTPError
        ):  # how the stream of events breaks off, depending on how Docker ends
            for event in events:
                status = event.get("Actor", {}).get("Attributes", {}).get("exitCode", "?")
                return f"the container {name} has ended with status {status}"
    except LabsError as error:
        return str(error)
    return f"Docker's daemon has ended: when it is back, 'labs up {cluster}' goes on"
