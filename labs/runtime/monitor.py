"""Process 1 of the node, as the runtime sees it: it starts processes, reads their output, keeps exit codes.

The runtime is its client over an inherited SOCK_SEQPACKET socket, one JSON object (and descriptors) per
message; the other side is `labs.nodes.init.monitor`. Whatever this program asked for outlives it: a new
one asks `processes` what happened meanwhile.
"""

import asyncio
import itertools
import json
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labs.runtime.errors import CriError

ENVIRONMENT_VARIABLE = "CKS_MONITOR_FD"
#: The number of the first descriptor that is passed to a process.
FIRST_FD = 10

_MESSAGE_MAX = 128 * 1024
_FDS_MAX = 253


class MonitorError(CriError):
    """Process 1 refused a request; the message is its reason."""


@dataclass(frozen=True)
class Process:
    """What process 1 knows of something it started; times are in nanoseconds since 1970, 0 for not yet."""

    name: str
    pid: int
    running: bool
    exit: int | None
    started: int
    finished: int


@dataclass(frozen=True)
class Execution:
    """A command running in a container. `master` is its terminal, the caller's to close."""

    pid: int
    master: int | None
    exit: "asyncio.Future[int]"


class Monitor:
    """A connection to process 1. `on_exit(name, code, finished)` is called for each process that ends."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[tuple[dict[str, Any], list[int]]]] = {}
        self._lists: dict[int, list[Process]] = {}
        self._exits: dict[int, asyncio.Future[int]] = {}
        self.on_exit: Callable[[str, int, int], object] = lambda *_: None
        #: Done when process 1 is gone; nothing can go on then.
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(connection, self._receive)

    async def run(
        self,
        name: str,
        argv: Sequence[str],
        fds: Sequence[int],
        *,
        env: dict[str, str] | None = None,
        log: str | None = None,
        stdin: bool = False,
        tty: bool = False,
        join: dict[str, int] | None = None,
        proc: str | None = None,
        blocked: Sequence[int] = (),
    ) -> int:
        """Start `argv` with `fds` at 10, 11, … and say its pid; `join`: which are namespaces to enter.

        `proc` is a mounted /proc that it has for its own; signals that are `blocked` wait until it takes
        them.
        """
        answer, _ = await self._call(
            "run",
            fds,
            name=name,
            argv=argv,
            env=env or {},
            log=log,
            stdin=stdin,
            tty=tty,
            join=join or {},
            proc=proc,
            blocked=[int(number) for number in blocked],
        )
        return int(answer["pid"])

    async def exec(
        self,
        pid: int,
        argv: Sequence[str],
        fds: Sequence[int],
        *,
        env: dict[str, str],
        cwd: str,
        tty: dict[str, int] | None = None,
        below: bool = False,
        user: Sequence[int] = (0, 0),
        capabilities: int = 0,
    ) -> Execution:
        """Run `argv` in all namespaces of `pid`, with `fds` as its three files, or on a new terminal.

        `user` is uid, gid and further groups, `capabilities` the bits of those that root has there.
        """
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        done: asyncio.Future[int] = loop.create_future()
        self._exits[number] = done
        try:
            answer, received = await self._call(
                "exec",
                fds,
                number,
                pid=pid,
                argv=argv,
                env=env,
                cwd=cwd,
                tty=tty,
                below=below,
                user=user if any(user) else None,  # a lone root cannot even drop its groups
                capabilities=capabilities,
            )
        except BaseException:
            del self._exits[number]
            raise
        return Execution(int(answer["pid"]), received[0] if received else None, done)

    async def attach(self, name: str, fds: Sequence[int]) -> int | None:
        """Have the output of `name` go to the pipes `fds`, too; a descriptor of its input, the caller's."""
        _, received = await self._call("attach", fds, name=name)
        return received[0] if received else None

    async def close_stdin(self, name: str) -> None:
        """Let `name` read to the end of its input."""
        await self._call("close-stdin", name=name)

    async def signal(self, name: str, signal: int, pid: int | None = None) -> None:
        """Send a signal to the process `name`, or to another `pid` (a group when negative) of its making."""
        await self._call("signal", name=name, signal=signal, pid=pid)

    async def forget(self, name: str) -> None:
        """Have process 1 forget a process that has ended."""
        await self._call("forget", name=name)

    async def reopen(self, name: str) -> None:
        """Have process 1 go on in a new log file after the old one was renamed."""
        await self._call("reopen", name=name)

    async def processes(self) -> dict[str, Process]:
        """All that process 1 has started for runtimes and was not told to forget, by name."""
        number = next(self._numbers)
        self._lists[number] = []
        await self._call("list", number=number)
        return {process.name: process for process in self._lists.pop(number)}

    async def _call(
        self, op: str, fds: Sequence[int] = (), number: int | None = None, **fields: object
    ) -> tuple[dict[str, Any], list[int]]:
        number = next(self._numbers) if number is None else number
        answer: asyncio.Future[tuple[dict[str, Any], list[int]]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        message = json.dumps({"op": op, "id": number, **fields}).encode()
        try:
            # process 1 always reads, so this waits for moments at most
            socket.send_fds(self._socket, [message], list(fds))
            return await answer
        except OSError as failure:
            raise MonitorError(f"cannot ask the node's process 1 to {op}: {failure.strerror}") from failure
        finally:
            self._answers.pop(number, None)

    def lose(self) -> None:
        """Count process 1 as gone: the runtime ends."""
        if not self.lost.done():
            self.lost.set_result(None)

    def _receive(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(
                self._socket, _MESSAGE_MAX, _FDS_MAX, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._socket)
            self.lose()
            return
        self._handle(json.loads(data), fds)

    def _handle(self, message: dict[str, Any], fds: list[int]) -> None:
        if message.get("event") == "exited":
            self.on_exit(message["name"], message["exit"], message["finished"])
            return
        number = message.get("id", 0)
        if "exit" in message:
            done = self._exits.pop(number, None)
            if done is not None and not done.done():
                done.set_result(message["exit"])
            return
        if number in self._lists:
            self._lists[number] += [Process(**process) for process in message.get("processes", [])]
            if message.get("more"):
                return
        answer = self._answers.get(number)
        if answer is None or answer.done():  # the one who asked has given up
            for fd in fds:
                os.close(fd)
        elif "error" in message:
            answer.set_exception(MonitorError(message["error"]))
        else:
            answer.set_result((message, fds))
