"""The supervisor's end of the recorder that runs in a kind node (`labs.nodes.kind.recorder`).

The recorder is a command in the container like any other, so whoever is root there can end it. Then another
one is started, which goes on where the evidence ends.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from labs.errors import LabsError
from labs.nodes.evidence import Evidence
from labs.nodes.kind import resume, threads
from labs.nodes.kind.daemon import explained
from labs.nodes.kind.machine import Machine
from labs.nodes.kind.stream import STDOUT, ExecStream

COMMAND = "/opt/cks-labs/bin/recorder"
#: What a recorder may tell of; what else a line may claim to be, it is not recorded.
_SOURCES = ("audit", "runtime", "journal", "file", "recorder")
#: How long nobody records when a recorder has ended, and how long at most when it does so again and again.
_RESTART_SECONDS, _RESTART_LIMIT = 0.5, 30.0


class RecorderFailedError(LabsError):
    """There is no recorder in the node, or it does not run."""


class Recording:
    """A recorder in the node, from one start to the next, and what it tells."""

    def __init__(self, machine: Machine, evidence: Evidence) -> None:
        self._machine = machine
        self._evidence = evidence
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._stream: ExecStream | None = None
        self._complaint = "it said nothing"
        self._started = asyncio.Event()

    async def run(self) -> None:
        """Record until cancelled; `LabsError` when Docker does not run commands in the node any more."""
        pause, ever = _RESTART_SECONDS, False
        while True:
            self._started.clear()
            await self._record()
            ever = ever or self._started.is_set()
            if not ever:
                raise RecorderFailedError(
                    f"the recorder on {self._machine.name} does not run ({self._complaint}): "
                    "'labs node-image build' makes an image of this version, if the node's is of another"
                )
            self._evidence.append("recorder", self._machine.name, event="ended")
            pause = _RESTART_SECONDS if self._started.is_set() else min(2 * pause, _RESTART_LIMIT)
            await asyncio.sleep(pause)

    async def begun(self) -> None:
        """Return when what happened before the start is recorded, if it can be."""
        await self._started.wait()
        await asyncio.gather(*self.ways().values(), return_exceptions=True)

    def ways(self) -> Mapping[str, Awaitable[None]]:
        """See `labs.nodes.barrier.Recorders`. The audit trail has its own test: a request of the judge."""
        sources = {"runtime": "runtime", "journal": "journal", "file": "file", "audit log": "audit"}
        return {way: self.answered(source) for way, source in sources.items()}

    def settle(self) -> None:
        """An answer comes after all that was told before it, and so nothing is left to be written down."""

    async def answered(self, source: str) -> None:
        """Return when all that one source knows by now is in the evidence; `OSError` when it is silent."""
        if self._stream is None:
            raise ConnectionRefusedError("no recorder runs in the node")
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await threads.blocking(self._stream.send, _line(ping=number, of=source))
            await answer
        finally:
            del self._answers[number]

    async def _record(self) -> None:
        """Have one recorder run from its start to its end."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        point = _line(resume=resume.point(self._evidence.since(0), self._machine.name))
        stream = await threads.blocking(self._start, point)
        threads.start(self._listen, stream, loop, ended, name="recorder")
        self._stream = stream
        try:
            await ended.wait()
        finally:
            self._stream = None
            stream.close()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError("the node's recorder has ended"))

    def _start(self, point: bytes) -> ExecStream:
        api = self._machine.client.api
        with explained("starting the recorder in the node"):
            recorder = api.exec_create(self._machine.container.id, [COMMAND], stdin=True)["Id"]
            stream = ExecStream(api.exec_start(recorder, socket=True))
        with suppress(OSError):  # it has ended already, and its last words are on their way
            stream.send(point)
        return stream

    def _listen(self, stream: ExecStream, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        begun = b""
        try:
            for which, data in stream.outputs():
                if which != STDOUT:
                    self._complain(data.decode(errors="replace"))
                    continue
                *lines, begun = (begun + data).split(b"\n")
                # one chunk after the other: the recorder shall wait while the evidence is being written
                asyncio.run_coroutine_threadsafe(self._hear(lines), loop).result()
        finally:  # also when it talked nonsense: then another one may do better
            threads.tell(loop, ended.set)

    def _complain(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
        self._complaint = text.strip().rpartition("\n")[2] or self._complaint

    async def _hear(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            told = json.loads(line)
            if "pong" in told:
                self._answer(told["pong"], told.get("error"))
            elif (source := told.pop("source")) in _SOURCES:
                with suppress(OSError):  # it is not complete any more, and says so
                    self._evidence.append(source, self._machine.name, **told)
                if (source, told.get("event")) == ("recorder", "started"):
                    self._started.set()

    def _answer(self, number: int, error: str | None) -> None:
        answer = self._answers.get(number)
        if answer is None or answer.done():
            return
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(ConnectionRefusedError(error))


def _line(**order: Any) -> bytes:
    return json.dumps(order).encode() + b"\n"
