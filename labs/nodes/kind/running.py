"""A kind cluster that is up: containers at Docker, which outlive the supervisor that looks after them."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from urllib3.exceptions import HTTPError

from labs.errors import LabsError
from labs.nodes.barrier import ApiProbe, Barriers, ClusterRecorders
from labs.nodes.kind import threads, workers
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
    """The supervisor's side of the nodes' containers, which `labs down` removes and nothing else."""

    def __init__(self, layout: Layout, bare: bool, on_end: Callable[[str], None]) -> None:
        super().__init__(layout, on_end)
        self._bare = bare
        self._nodes: dict[str, KindNode] = {}
        self._plane: Machine | None = None
        self._api = ApiProbe(self._connect, layout.judge_credentials)
        self._recorders: list[asyncio.Task[None]] = []
        self._abandoned = False

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that Docker leads to the API server."""
        assert self._plane is not None, "the node has not been booted"
        return self._plane.port

    async def start(self, progress: Progress) -> None:
        """Boot the containers, or take over those that run, and begin to record."""
        progress.tell(stage="preparing")
        machines = await threads.blocking(self._boot, progress)
        self._plane = machines[0]
        progress.tell(stage="node-up")
        recordings = [Recording(machine, self.evidence) for machine in machines]
        for machine, recording in zip(machines, recordings, strict=True):
            self._nodes[machine.name] = KindNode(machine, partial(recording.answered, "journal"))
            self._recorders.append(asyncio.create_task(recording.run()))
            threads.start(self._watch, machine, asyncio.get_running_loop(), name="docker's events")
        self._barriers = Barriers(self.evidence, ClusterRecorders(list(self._nodes), recordings), self._api)
        begun = asyncio.gather(*(recording.begun() for recording in recordings))
        either: list[asyncio.Future[Any]] = [begun, *self._recorders]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for recorder in self._recorders:
            if recorder.done():
                begun.cancel()
                recorder.result()
        progress.tell(stage="units-started")

    def _boot(self, progress: Progress) -> list[Machine]:
        def tell(text: str) -> None:
            if self._abandoned:
                raise AbandonedError("nobody waits for the node any more")
            progress.tell(stage=text)

        plane = boot(self._layout, self._spec, tell, bare=self._bare)
        return [plane, *workers.boot(plane, self._layout, self._spec, tell)]

    async def serve(self) -> None:
        """Record, and have the workers join; Docker itself carries what comes to the host's port."""
        await asyncio.gather(self.join(), *map(self._record, self._recorders))
        await asyncio.Event().wait()

    async def _record(self, recorder: asyncio.Task[None]) -> None:
        try:
            await asyncio.shield(recorder)
        except LabsError as error:
            self._on_end(str(error))

    async def stop(self) -> None:
        """Leave the container to itself; a boot that goes on in its thread ends with its next word."""
        self._abandoned = True
        for recorder in self._recorders:
            recorder.cancel()
            with suppress(asyncio.CancelledError, LabsError):
                await recorder

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
