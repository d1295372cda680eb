"""Starts what the container runtime asks for, and keeps output and exit codes when the runtime is gone.

The runtime (`labs.runtime`) may be killed and started again at any time; containers are children of
process 1, their pipes are read here, and `list` tells a new runtime all that happened meanwhile.
"""

from __future__ import annotations

import os
import socket
import time

from labs.nodes.init import syscalls
from labs.nodes.init.channel import Channel, close_all
from labs.nodes.init.files import NodeFiles
from labs.nodes.init.launch import FIRST_EXTRA, NOT_FOUND, Launch, Launcher, Started, open_terminal
from labs.nodes.init.logs import ContainerLog, Stream
from labs.nodes.init.reactor import Reactor, Status, exit_code
from labs.nodes.init.requests import BadRequest, environment, number, numbers, text, texts, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: A runtime that leaves this many answers unread is not working any more.
_BACKLOG_MAX = 10_000

#: Joined in this order: the power to join the others ends with the user namespace.
_JOIN_ORDER = ("net", "ipc", "uts", "mnt", "user")


class Process:
    """Something the runtime started, under the name it gave: a sandbox or a container."""

    def __init__(self, name: str, log: ContainerLog | None) -> None:
        self.name = name
        self.log = log
        self.streams: list[Stream] = []
        #: Keeps the other end of a stdin that nobody writes to open.
        self.stdin: int | None = None
        #: Its one stream is a terminal.
        self.terminal = False
        self.pid = 0
        self.started = time.time_ns()
        self.finished = 0
        self.exit: int | None = None

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pid": self.pid,
            "running": self.exit is None,
            "exit": self.exit,
            "started": self.started,
            "finished": self.finished,
        }

    def release(self) -> None:
        """Close what the process no longer needs: the log once nobody can write to it."""
        if self.exit is not None and self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None
        if self.exit is not None and self.log is not None and all(stream.ended for stream in self.streams):
            self.log.close()


class Monitor:
    """The runtime's side of process 1."""

    def __init__(self, reactor: Reactor, launcher: Launcher, files: NodeFiles) -> None:
        self._reactor = reactor
        self._launcher = launcher
        self._files = files
        self._processes: dict[str, Process] = {}
        self._channel: Channel | None = None
        self._requests = {
            "run": self._run,
            "exec": self._exec,
            "attach": self._attach,
            "close-stdin": self._close_stdin,
            "signal": self._signal,
            "list": self._list,
            "forget": self._forget,
            "reopen": self._reopen,
        }

    def connect(self) -> socket.socket:
        """The socket for a runtime that is about to start; it is the caller's to pass on and close."""
        if self._channel is not None:
            self._channel.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._channel = Channel(self._reactor, ours, self._receive, self._lost)
        return theirs

    def _lost(self) -> None:
        self._channel = None

    def _answer(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        """To the runtime of now; where there is none, `list` will tell the next one."""
        if self._channel is None:
            close_all(fds or [])
            return
        self._channel.send(message, fds)
        if self._channel is not None and self._channel.backlog > _BACKLOG_MAX:
            self._channel.close()

    def _receive(self, message: dict[str, Any], fds: list[int]) -> None:
        request = self._requests.get(str(message.get("op")))
        try:
            if request is None:
                raise BadRequest(f"unknown op {message.get('op')!r}")
            request(message, fds)
        except (BadRequest, OSError) as failure:
            self._answer({"id": message.get("id"), "error": str(failure)})
        finally:
            close_all(fds)

    def _run(self, message: dict[str, Any], fds: list[int]) -> None:
        name, path = text(message, "name"), message.get("log")
        if name in self._processes:
            raise BadRequest(f"{name} exists already")
        launch = Launch(texts(message, "argv"), environment(message), text(message, "cwd", "/"))
        _join(launch, message.get("join") or {}, fds)
        launch.proc = text(message, "proc", "") or None
        launch.blocked = numbers(message, "blocked")
        process = Process(name, None if path is None else ContainerLog(self._files, text(message, "log")))
        ours, theirs = _pipes(process, bool(message.get("stdin")), bool(message.get("tty")))
        launch.stdio = theirs

        def started(outcome: Started) -> None:
            if outcome.error is not None:
                del self._processes[name]
                process.exit = outcome.code
                process.release()
                self._answer({"id": message.get("id"), "error": outcome.error})
            else:
                self._answer({"id": message.get("id"), "pid": process.pid})

        try:
            process.pid = self._launcher.start(launch, started, lambda status: self._exited(process, status))
        except OSError:
            close_all([fd for _, fd in ours])
            process.exit = NOT_FOUND
            process.release()
            raise
        finally:
            close_all(list(set(theirs)))
        if process.log is not None:
            process.streams = [
                Stream(self._reactor, fd, stream, process.log, process.release) for stream, fd in ours
            ]
        self._processes[name] = process

    def _exited(self, process: Process, status: Status) -> None:
        for stream in process.streams:
            stream.drain()
        process.exit = exit_code(status)
        process.finished = time.time_ns()
        process.release()
        self._answer(
            {"event": "exited", "name": process.name, "exit": process.exit, "finished": process.finished}
        )

    def _exec(self, message: dict[str, Any], fds: list[int]) -> None:
        pid, size = number(message, "pid"), window(message)
        if size is None and len(fds) != 3:
            raise BadRequest("exec: three descriptors, or a tty, are needed")
        launch = Launch(texts(message, "argv"), environment(message), text(message, "cwd", "/"))
        launch.terminal = size
        launch.stdio = [] if size else fds
        launch.below = bool(message.get("below"))
        if message.get("user") is not None:
            uid, gid, *groups = (number({"user": each}, "user") for each in message["user"])
            launch.user = (uid, gid, groups)
        if message.get("capabilities") is not None:
            launch.capabilities = number(message, "capabilities")
        process = os.pidfd_open(pid)
        try:
            kinds = _other_namespaces(pid)
            if kinds & syscalls.CLONE_NEWPID:
                launch.join_pids = process
            if kinds & ~syscalls.CLONE_NEWPID:
                launch.join = [(process, kinds & ~syscalls.CLONE_NEWPID)]
            self._launcher.start(
                launch,
                lambda outcome: self._answer(
                    {"id": message.get("id"), "pid": outcome.pid}
                    if outcome.error is None
                    else {"id": message.get("id"), "error": outcome.error},
                    [outcome.master] if outcome.master is not None else None,
                ),
                lambda status: self._answer({"id": message.get("id"), "exit": exit_code(status)}),
            )
        finally:
            os.close(process)

    def _attach(self, message: dict[str, Any], fds: list[int]) -> None:
        """Have what the process prints written to stdout and stderr as well; answered with its stdin, if any.

        A terminal has but one output, and its master is the input.
        """
        process = self._named(message)
        if process.exit is not None or process.log is None:
            raise BadRequest(f"{process.name} has ended")
        for stream, fd in zip(process.streams, fds, strict=False):
            stream.follow(os.dup(fd))
        inputs = [os.dup(process.stdin)] if process.stdin is not None else []
        if process.terminal and not process.streams[0].ended:
            inputs = [process.streams[0].duplicate()]
        self._answer({"id": message.get("id")}, inputs)

    def _close_stdin(self, message: dict[str, Any], _: list[int]) -> None:
        """Let the process read to the end of its input: nobody will be attached again."""
        process = self._named(message)
        if process.stdin is not None:
            os.close(process.stdin)
            process.stdin = None
        self._answer({"id": message.get("id")})

    def _signal(self, message: dict[str, Any], _: list[int]) -> None:
        process = self._named(message)
        if process.exit is not None:
            raise BadRequest(f"{process.name} has ended")
        os.kill(number(message, "pid") if message.get("pid") else process.pid, number(message, "signal"))
        self._answer({"id": message.get("id")})

    def _list(self, message: dict[str, Any], _: list[int]) -> None:
        """All processes, in as many messages as they need; the last one has no "more"."""
        described = [process.describe() for process in self._processes.values()]
        while len(described) > 400:
            self._answer({"id": message.get("id"), "processes": described[:400], "more": True})
            described = described[400:]
        self._answer({"id": message.get("id"), "processes": described})

    def _forget(self, message: dict[str, Any], _: list[int]) -> None:
        process = self._named(message)
        if process.exit is None:
            raise BadRequest(f"{process.name} is still running")
        del self._processes[process.name]
        self._answer({"id": message.get("id")})

    def _reopen(self, message: dict[str, Any], _: list[int]) -> None:
        process = self._named(message)
        if process.log is not None and process.exit is None:
            process.log.reopen()
        self._answer({"id": message.get("id")})

    def _named(self, message: dict[str, Any]) -> Process:
        name = text(message, "name")
        if name not in self._processes:
            raise BadRequest(f"{name} is not known")
        return self._processes[name]


def _join(launch: Launch, join: dict[str, Any], fds: list[int]) -> None:
    """Which of the descriptors are namespaces to join; the others are the program's, at 10, 11, …"""
    launch.extra = list(fds)
    for kind, at in join.items():
        index = at - FIRST_EXTRA if isinstance(at, int) else -1
        if kind not in syscalls.NAMESPACES or not 0 <= index < len(fds):
            raise BadRequest(f"join: no descriptor {at!r} for {kind!r}")
        launch.extra[index] = None
    launch.join = [
        (fds[join[kind] - FIRST_EXTRA], syscalls.NAMESPACES[kind]) for kind in _JOIN_ORDER if kind in join
    ]
    if "pid" in join:
        launch.join_pids = fds[join["pid"] - FIRST_EXTRA]


def _pipes(process: Process, stdin: bool, tty: bool) -> tuple[list[tuple[str, int]], list[int]]:
    """(stream, descriptor) to read here, and the three descriptors of the program."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    if process.log is None:
        return [], [null] * 3
    if tty:
        os.close(null)
        process.terminal = True
        master, slave = open_terminal("/dev/pts/ptmx", 24, 80)
        return [("stdout", master)], [slave] * 3
    if stdin:  # nobody is attached: reading waits
        os.close(null)
        null, process.stdin = os.pipe2(os.O_CLOEXEC)
    out, err = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
    return [("stdout", out[0]), ("stderr", err[0])], [null, out[1], err[1]]


def _other_namespaces(pid: int) -> int:
    """The kinds of namespaces in which a process differs from process 1."""
    kinds = 0
    for name, kind in syscalls.NAMESPACES.items():
        if os.stat(f"/proc/{pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:
            kinds |= kind
    return kinds
