"""What happens on a stream: a command in a container, a container's own streams, a connection into a pod."""

import asyncio
import os
import signal
import socket
import termios
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from labs.runtime import descriptors
from labs.runtime.errors import CriError
from labs.runtime.execution import Executions
from labs.runtime.monitor import Execution, Monitor, MonitorError
from labs.runtime.network import PodNetwork
from labs.runtime.records import Container, Sandbox
from labs.streaming import status
from labs.streaming.remotecommand import Session
from labs.streaming.stream import Stream

#: Children that a command left behind may hold its output open: so long is waited, in seconds.
_DRAIN = 1.0


class Sessions:
    """Connects clients to containers."""

    def __init__(self, executions: Executions, monitor: Monitor, network: PodNetwork) -> None:
        self._executions = executions
        self._monitor = monitor
        self._network = network

    async def exec(
        self, session: Session, container: Container, command: Sequence[str], *, tty: bool
    ) -> None:
        """Run `command` for a client, and end it when he goes."""
        try:
            if tty:
                ended = await self._on_terminal(session, container, command)
            else:
                ended = await self._with_pipes(session, container, command)
        except CriError as failure:
            ended = status.failed(f"error executing command in container: {failure}")
        await session.finish(ended)

    async def _on_terminal(
        self, session: Session, container: Container, command: Sequence[str]
    ) -> dict[str, Any]:
        execution = await self._executions.start(container, command, [], {"rows": 24, "cols": 80})
        assert execution.master is not None
        # with it, whoever is still on the terminal is hung up on
        with _Ends() as ours:
            master = ours.own(execution.master)
            async with _Tasks() as tasks:
                tasks.start(_size(session, master))
                tasks.start(_inwards(session.get("stdin"), master))
                output = tasks.start(_outwards(master, session.get("stdout")))
                await self._to_the_end(session, container, execution, [output], kill=False)
        return _ended(execution)

    async def _with_pipes(
        self, session: Session, container: Container, command: Sequence[str]
    ) -> dict[str, Any]:
        with _Ends() as ours:
            with _Ends() as theirs:
                stdin = _pipe_in(ours, theirs, wanted=session.get("stdin") is not None)
                stdout = _pipe_out(ours, theirs, wanted=session.get("stdout") is not None)
                stderr = _pipe_out(ours, theirs, wanted=session.get("stderr") is not None)
                files = [theirs_ for _, theirs_ in (stdin, stdout, stderr)]
                execution = await self._executions.start(container, command, files)
            async with _Tasks() as tasks:
                if stdin[0] is not None:
                    end = stdin[0]
                    tasks.start(_inwards(session.get("stdin"), end, lambda: ours.close(end)))
                outputs = [
                    tasks.start(_outwards(fd, session.get(name)))
                    for (fd, _), name in ((stdout, "stdout"), (stderr, "stderr"))
                    if fd is not None
                ]
                await self._to_the_end(session, container, execution, outputs, kill=True)
        return _ended(execution)

    async def _to_the_end(
        self,
        session: Session,
        container: Container,
        execution: Execution,
        outputs: list["asyncio.Task[None]"],
        *,
        kill: bool,
    ) -> None:
        """Wait for the command and its output, or for the client to go."""
        gone = asyncio.create_task(session.wait_closed())
        ended: set[asyncio.Future[Any]] = {gone, execution.exit}
        try:
            await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            if execution.exit.done() and outputs:
                await asyncio.wait(outputs, timeout=_DRAIN)
            elif not execution.exit.done() and kill:
                await self._executions.signal(container, execution, signal.SIGKILL)
        finally:
            gone.cancel()

    async def attach(self, session: Session, container: Container) -> None:
        """Be at a container's streams until it ends or the client goes."""
        with _Ends() as ours:
            try:
                with _Ends() as theirs:
                    outputs = [_pipe_out(ours, theirs, wanted=True) for _ in range(2)]
                    stdin = await self._monitor.attach(container.id, [end for _, end in outputs])
            except MonitorError as failure:
                await session.finish(status.failed(f"error attaching to container: {failure}"))
                return
            async with _Tasks() as tasks:
                copies = [
                    tasks.start(_outwards(fd, session.get(name)))
                    for (fd, _), name in zip(outputs, ("stdout", "stderr"), strict=True)
                    if fd is not None
                ]
                if stdin is not None:
                    tasks.start(self._into(session, container, ours.own(stdin), ours))
                    if container.config.tty:
                        tasks.start(_size(session, stdin))
                gone = tasks.start(session.wait_closed())
                ended = asyncio.create_task(_all(copies))
                await asyncio.wait({gone, ended}, return_when=asyncio.FIRST_COMPLETED)
                ended.cancel()
        await session.finish(status.success())

    async def _into(self, session: Session, container: Container, stdin: int, ours: "_Ends") -> None:
        """What the client types; with `stdinOnce` the container then reads to the end of its input."""
        stream = session.get("stdin")
        await _inwards(stream, stdin)
        if container.config.stdin_once and not container.config.tty and stream is not None:
            ours.close(stdin)
            with suppress(MonitorError):  # it has ended meanwhile
                await self._monitor.close_stdin(container.id)

    async def dial(self, sandbox: Sandbox, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to a port of a pod's localhost."""
        pid = None if sandbox.host_network else sandbox.pid
        connection = await self._network.inside(pid, _tcp_socket)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
            return await asyncio.open_connection(sock=connection)
        except OSError as failure:
            connection.close()
            where = "host" if pid is None else sandbox.id
            raise ConnectionError(
                f'failed to execute portforward in network namespace "{where}": '
                f'failed to connect to localhost:{port} inside namespace "{sandbox.id}", '
                f"IPv4: dial tcp4 127.0.0.1:{port}: connect: {os.strerror(failure.errno or 0).lower()}"
            ) from failure


def _tcp_socket() -> socket.socket:
    # asyncio sends without delay only where the protocol is named
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)


class _Ends:
    """Descriptors, closed with their block at the latest."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def own(self, fd: int, *, blocking: bool = False) -> int:
        os.set_blocking(fd, blocking)
        self._open.add(fd)
        return fd

    def close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)

    def __enter__(self) -> "_Ends":
        return self

    def __exit__(self, *_: object) -> None:
        for fd in list(self._open):
            self.close(fd)


def _pipe_in(ours: _Ends, theirs: _Ends, *, wanted: bool) -> tuple[int | None, int]:
    """(our end, the command's end) of its stdin, which is empty unless `wanted`."""
    if not wanted:
        return None, theirs.own(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), blocking=True)
    start, end = os.pipe2(os.O_CLOEXEC)
    return ours.own(end), theirs.own(start, blocking=True)


def _pipe_out(ours: _Ends, theirs: _Ends, *, wanted: bool) -> tuple[int | None, int]:
    """(our end, the command's end) of an output, which is lost unless `wanted`."""
    if not wanted:
        return None, theirs.own(os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC), blocking=True)
    start, end = os.pipe2(os.O_CLOEXEC)
    return ours.own(start), theirs.own(end, blocking=True)


class _Tasks:
    """Tasks that are over when their block is."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def __aenter__(self) -> "_Tasks":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _all(tasks: Sequence["asyncio.Task[None]"]) -> None:
    await asyncio.wait(tasks)


async def _inwards(stream: Stream | None, fd: int, then: Callable[[], object] = lambda: None) -> None:
    """Write what the client sends, `then` do this; to a command that has ended it is lost."""
    if stream is not None:
        with suppress(OSError):
            while data := await stream.read():
                await descriptors.write(fd, data)
        then()


async def _outwards(fd: int, stream: Stream | None) -> None:
    """Send what is printed; a client that has gone, or wants none, lets it be read all the same."""
    while data := await descriptors.read(fd):
        if stream is not None:
            with suppress(ConnectionError):
                await stream.write(data)


async def _size(session: Session, terminal: int) -> None:
    async for rows, columns in session.sizes():
        termios.tcsetwinsize(terminal, (rows, columns))


def _ended(execution: Execution) -> dict[str, Any]:
    return status.exited(execution.exit.result()) if execution.exit.done() else status.failed("client gone")
