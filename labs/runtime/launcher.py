"""One bubblewrap command: built here, started by the node's process 1, and waited for until it really runs.

bubblewrap's options travel as a file (`--args`), so that environments appear in no process list and no
message is too long. Three more descriptors tell how far it has come:

* `--info-fd`: the pid of the sandbox's first process, as soon as it exists;
* `--userns-block-fd`: bubblewrap reads a byte here before it goes on with a user namespace of its own,
  which is given its users meanwhile (see `users`);
* `--block-fd`: the sandbox reads a byte here when all is set up, just before it executes the command. That
  byte is there beforehand; what is observed is how the other end is closed. With nothing left to read (end
  of file) the command runs; with the byte unread (connection reset) the set-up has failed.

The last two are one socket, which the sandbox closes itself: the command inherits nothing of this.
"""

import asyncio
import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from labs.runtime.errors import CriError
from labs.runtime.monitor import FIRST_FD, Monitor
from labs.runtime.processes import Processes
from labs.runtime.users import ROOT, User, nested_map

FAILED = "bubblewrap could not set up the sandbox"


class SetUpError(CriError):
    """bubblewrap could not build the sandbox."""


@dataclass
class Command:
    """What bubblewrap shall do. Descriptors are closed by whoever runs the command, in `Launcher.start`."""

    argv: Sequence[str]
    options: list[str] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)
    #: Namespaces to enter before anything else: kind to number in the started process.
    join: dict[str, int] = field(default_factory=dict)
    #: The /proc of the pid namespace to enter, which bubblewrap then takes for its own.
    proc: str | None = None
    #: Signals that wait until the command takes them.
    blocked: Sequence[int] = ()
    #: The sandbox has a user namespace of its own, rather than one of `fds`.
    own_users: bool = False
    #: Who runs it; anybody but root makes the sandbox as that user, with a user namespace of its own.
    user: User = ROOT

    def close(self) -> None:
        """Close its descriptors."""
        for fd in self.fds:
            os.close(fd)

    def pass_fd(self, fd: int) -> str:
        """Hand a descriptor over to the command; says the number it will have there."""
        self.fds.append(fd)
        return str(FIRST_FD + len(self.fds) - 1)


@dataclass(frozen=True)
class Log:
    """Where the output of a container goes, and whether it has an input or a terminal.

    An empty path: it can be attached to, but nothing is kept. None: it has no output at all.
    """

    path: str | None = None
    stdin: bool = False
    tty: bool = False


class Launcher:
    """Starts bubblewrap commands."""

    def __init__(self, monitor: Monitor, processes: Processes, bwrap: str) -> None:
        self._monitor = monitor
        self._processes = processes
        self._bwrap = bwrap

    async def start(self, name: str, command: Command, log: Log | None = None) -> int:
        """Start `command` under `name`; the pid of the sandbox's first process, once its set-up is over.

        Raises `SetUpError` when it could not be set up (bubblewrap's own words are in the log).
        """
        log = log or Log()
        info, info_end = os.pipe2(os.O_CLOEXEC)
        ready, gate = socket.socketpair()
        passed = command.pass_fd(gate.detach())
        options = ["--info-fd", command.pass_fd(info_end), "--block-fd", passed]
        options += ["--unshare-user", "--userns-block-fd", passed] if command.own_users else []
        arguments = command.pass_fd(_file([*options, *command.options]))
        argv = [self._bwrap, "--args", arguments, "--", *command.argv]
        if command.user != ROOT:
            argv = [*_become(command.user), *argv]
        try:
            try:
                bubblewrap = await self._monitor.run(
                    name,
                    argv,
                    command.fds,
                    log=log.path,
                    stdin=log.stdin,
                    tty=log.tty,
                    join=command.join,
                    proc=command.proc,
                    blocked=command.blocked,
                )
            finally:
                command.close()
            pid = await _child(info)
            if "pid" in command.join:  # it was told as that namespace numbers it
                pid = only_child(bubblewrap)
            try:
                if command.own_users:
                    _give_users(pid)
                    ready.send(b".")
                ready.send(b".")
            except OSError as gone:  # it has failed already
                raise SetUpError(FAILED) from gone
            if not await self._runs(name, ready):
                raise SetUpError(FAILED)
            return pid
        finally:
            os.close(info)
            ready.close()

    async def _runs(self, name: str, ready: socket.socket) -> bool:
        """Wait for the sandbox to close `ready`, or for bubblewrap to end: has the byte been read?"""
        ready.setblocking(False)
        closed = asyncio.create_task(asyncio.get_running_loop().sock_recv(ready, 1))
        ended = asyncio.create_task(self._processes.wait(name))
        try:
            await asyncio.wait({closed, ended}, return_when=asyncio.FIRST_COMPLETED)
            return closed.done() and closed.exception() is None
        finally:
            for task in (closed, ended):
                task.cancel()


def only_child(pid: int) -> int:
    """The process that a bubblewrap watches over; 0 when it has ended."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return 0


def _become(user: User) -> list[str]:
    """A command that runs the rest as `user`: what bubblewrap itself could do only in part."""
    groups = ["--groups", ",".join(map(str, user.groups))] if user.groups else ["--clear-groups"]
    return ["/usr/bin/setpriv", "--reuid", str(user.uid), "--regid", str(user.gid), *groups]


def _file(arguments: Sequence[str]) -> int:
    """The arguments, each ended by a zero byte, as an open file."""
    fd = os.memfd_create("bwrap-args")
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(b"".join(argument.encode("utf-8", "surrogateescape") + b"\0" for argument in arguments))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


async def _child(info: int) -> int:
    """The pid that bubblewrap reports; its report comes in several pieces."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(info), "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        report = await reader.read()
    finally:
        transport.close()
    if not report:
        raise SetUpError("bubblewrap ended before it had made a process")
    return int(json.loads(report)["child-pid"])


def _give_users(pid: int) -> None:
    """Write the maps of a new user namespace, one write(2) each as the kernel demands."""
    for kind in ("uid", "gid"):
        fd = os.open(f"/proc/{pid}/{kind}_map", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, nested_map(kind).encode())
        finally:
            os.close(fd)
