"""The two sockets of a supervisor, and what may be asked on each.

`student.sock` is all that a student's kernel ever gets: commands on the node as a student's shell runs
them, the cluster's status, and the judge's verdict on an exercise. `judge.sock` adds commands in the
trusted view, the evidence, and `down`. A request is one line of JSON with an "op"; the answer is one line
with "ok", or "error"; `exec`, `exercise` and a followed `evidence` answer with several.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from labs.errors import LabsError
from labs.nodes.base import Command, Process, Terminal, View
from labs.nodes.channel import LineConnection, Message, close_all
from labs.nodes.exercises import Exercises
from labs.nodes.layout import Layout
from labs.nodes.running import RunningCluster

#: An operation: answers its request on the connection.
Operation = Callable[["Session", Message], Awaitable[None]]


class RequestError(ValueError):
    """The request makes no sense; the message says why."""


class Session:
    """One client's conversation. It has one operation at a time."""

    def __init__(
        self,
        connection: LineConnection,
        cluster: RunningCluster,
        exercises: Exercises,
        farewells: "list[Session]",
    ) -> None:
        self.connection = connection
        self.cluster = cluster
        self.exercises = exercises
        self.farewells = farewells
        self.process: Process | None = None
        self.signals: list[int] = []

    async def run(self, operations: Mapping[str, Operation]) -> None:
        """Serve requests until the client goes; what it left running is told so."""
        try:
            while (request := await self.connection.receive()) is not None:
                operation = asyncio.create_task(self._answer(operations, request))
                if not await self._attend(operation):
                    return
        except (ValueError, ConnectionError) as error:
            with suppress(ConnectionError):
                await self.connection.send({"ok": False, "error": f"not a request: {error}"})
        finally:
            self.connection.close()

    async def _attend(self, operation: asyncio.Task[None]) -> bool:
        """Wait for the operation while the client may interfere or leave; whether it is still there."""
        try:
            while True:
                line = asyncio.create_task(self.connection.receive())
                try:
                    await asyncio.wait({operation, line}, return_when=asyncio.FIRST_COMPLETED)
                    if operation.done():
                        operation.result()
                        return True
                    message = line.result()
                finally:
                    await _cancel(line)
                if message is None:
                    return False
                if isinstance(message.get("signal"), int):
                    self.signals.append(message["signal"])
                    await self.pass_signals_on()
        finally:
            await _cancel(operation)

    async def _answer(self, operations: Mapping[str, Operation], request: Message) -> None:
        operation = operations.get(str(request.get("op")))
        try:
            if operation is None:
                raise RequestError(f"there is no operation '{request.get('op')}' on this socket")
            await operation(self, request)
        except (LabsError, RequestError, OSError, KeyError, TypeError, ValueError) as error:
            what = f"the request lacks {error}" if isinstance(error, KeyError) else str(error)
            await self.connection.send({"ok": False, "error": what})

    async def pass_signals_on(self) -> None:
        """Send the process what the client has sent so far; it may have done so before there was one."""
        while self.process is not None and self.signals:
            await self.process.signal(self.signals.pop(0))

    async def done(self, **fields: Any) -> None:
        """Answer that all is well."""
        await self.connection.send({"ok": True, **fields})


async def _cancel(task: asyncio.Task[Any]) -> None:
    """Have a task end, if it has not, and wait until it has."""
    task.cancel()
    await asyncio.wait({task})


async def _exec_as_student(session: Session, request: Message) -> None:
    await _exec(session, request, View.STUDENT)


async def _exec_as_judge(session: Session, request: Message) -> None:
    await _exec(session, request, View(request.get("view") or View.STUDENT))


async def _exec(session: Session, request: Message, view: View) -> None:
    tty, argv = request.get("tty"), request["argv"]
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise RequestError("'argv' is a list of at least one word")
    terminal = Terminal(int(tty["rows"]), int(tty["cols"]), str(tty.get("term", "xterm"))) if tty else None
    command = Command(argv, request.get("env") or {}, request.get("cwd"), terminal, view)
    node = session.cluster.node(request.get("node"))
    descriptors = [] if terminal else session.connection.take(3)
    try:
        process = await node.run(command, descriptors)
    finally:
        close_all(descriptors)
    session.process = process
    await session.pass_signals_on()
    record = session.cluster.record_shell if view is View.STUDENT else _unrecorded
    record(node.name, argv, process.pid, None)
    try:
        masters = [] if process.master is None else [process.master]
        try:
            await session.connection.send({"ok": True, "pid": process.pid}, masters)
        finally:
            close_all(masters)
        status = await process.wait()
    except (asyncio.CancelledError, ConnectionError):
        with suppress(ConnectionError):
            await process.signal(signal.SIGHUP)
        raise
    finally:
        session.process = None
        session.signals.clear()
    record(node.name, argv, process.pid, status)
    await session.connection.send({"exit": status})


def _unrecorded(node: str, argv: list[str], pid: int, status: int | None) -> None:
    """What the judge runs is not evidence."""


async def _exercise(session: Session, request: Message) -> None:
    await _ask_judge(session, request, student=True)


async def _exercise_as_judge(session: Session, request: Message) -> None:
    await _ask_judge(session, request, student=False)


async def _ask_judge(session: Session, request: Message, *, student: bool) -> None:
    arguments = request.get("args") or {}
    async with aclosing(session.exercises.ask(request["verb"], arguments, student=student)) as lines:
        async for line in lines:
            await session.done(**line)


async def _status(session: Session, request: Message) -> None:
    await session.done(**await session.cluster.status())


async def _evidence(session: Session, request: Message) -> None:
    since, evidence = int(request.get("since", 0)), session.cluster.evidence
    if not request.get("follow"):
        await session.done(records=evidence.since(since))
        return
    async for record in evidence.follow(since):
        await session.done(record=record)


async def _record(session: Session, request: Message) -> None:
    if request.get("source") != "lab":
        raise RequestError("only records of the source 'lab' can be added")
    await session.done(seq=session.cluster.evidence.append("lab", request.get("node"), **request["data"]))


async def _barrier(session: Session, request: Message) -> None:
    await session.done(**await session.cluster.barrier(float(request.get("timeout", 5.0))))


async def _renew(session: Session, request: Message) -> None:
    await session.cluster.renew()
    await session.done()


async def _grading(session: Session, request: Message) -> None:
    session.exercises.grading = bool(request["on"])
    await session.done()


async def _down(session: Session, request: Message) -> None:
    """Answered by `Service.close`, when there is nothing left of the cluster but its supervisor."""
    session.farewells.append(session)
    session.cluster.end()
    await asyncio.Event().wait()


STUDENT: Mapping[str, Operation] = {"exec": _exec_as_student, "exercise": _exercise, "status": _status}
JUDGE: Mapping[str, Operation] = {
    "exec": _exec_as_judge,
    "exercise": _exercise_as_judge,
    "status": _status,
    "evidence": _evidence,
    "record": _record,
    "barrier": _barrier,
    "renew": _renew,
    "grading": _grading,
    "down": _down,
}


def listen(path: Path) -> socket.socket:
    """Listen on the Unix socket `path`, which only this user may use; one left by a crash is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # a socket's path has at most 107 characters, and a home directory may be deep
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    mask = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.umask(mask)
        os.close(directory)
    listener.listen(64)
    listener.setblocking(False)
    return listener


class Service:
    """Both sockets of one cluster."""

    def __init__(self, layout: Layout, cluster: RunningCluster) -> None:
        self._cluster = cluster
        self._exercises = Exercises(layout.cluster, cluster.evidence)
        self._farewells: list[Session] = []
        self._sessions: set[asyncio.Task[None]] = set()
        self._listeners: dict[Path, socket.socket] = {}
        self._paths = {layout.student_socket: STUDENT, layout.judge_socket: JUDGE}

    def open(self) -> None:
        """Begin to listen."""
        for path in self._paths:
            self._listeners[path] = listen(path)

    async def serve(self) -> None:
        """Serve whoever connects, until cancelled."""
        listeners = self._listeners.items()
        await asyncio.gather(*(self._accept(end, self._paths[path]) for path, end in listeners))

    async def _accept(self, listener: socket.socket, operations: Mapping[str, Operation]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listener)
            session = Session(LineConnection(client), self._cluster, self._exercises, self._farewells)
            task = asyncio.create_task(session.run(operations))
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)

    async def close(self) -> None:
        """Answer those who asked for the end, hang up on all others, and remove the sockets."""
        for session in self._farewells:
            with suppress(ConnectionError):
                await session.done()
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        for path, listener in self._listeners.items():
            listener.close()
            path.unlink(missing_ok=True)
