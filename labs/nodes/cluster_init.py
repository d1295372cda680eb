"""The two processes that a cluster's namespaces hang on.

    supervisor (host) ──fork──► keeper ──fork──► cluster's pid 1 ──bwrap──► node's pid 1 (labs.nodes.init), …

The *keeper* leaves for a new user, network and pid namespace; only a child can be in the last, so it forks
the cluster's *pid 1*, which has a mount namespace and a /proc of its own and does what must be done from
inside: it starts nodes, plugs them into the bridge, and makes sockets that can reach them. Each of the two
is killed by the kernel when its parent dies, and a pid namespace does not outlive its pid 1: kill -9 of any
of them, or of the supervisor, leaves no process, mount or interface behind.

Both are forks that import nothing once they have started: as root they have by then dropped to a user that
may not read the project's files. For the same reason whatever nodes need of the host is first bound below
`STAGE`, in a mount namespace that nobody else sees.

Messages (SOCK_SEQPACKET, JSON), supervisor to pid 1; each request carries "id", the reply echoes it:

    {"op": "node", "name", "index", "count", "command", "environment"} + its control and evidence sockets
        -> {"pid"}
    {"op": "clear"} -> {}: every node is gone, with all that ran on it; nothing is told of their exits
    {"op": "socket"} -> {} + a TCP socket of the cluster's network, not yet connected
    {"op": "stop"}: end, and everything in the cluster with it

and unasked {"event": "node-exited", "name", "status"}.
"""

import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from labs.nodes import namespaces, network
from labs.nodes.namespaces import IdMap

#: Where the mount namespace of keeper and pid 1 has the project's and the cluster's directories.
STAGE = Path("/mnt")

#: Directories of a node's rootfs that something is mounted on, parents first.
MOUNT_POINTS = ("usr", "proc", "dev", "run", "opt", "opt/cks-labs")

#: File descriptors of a node's pid 1.
CONTROL_FD, EVIDENCE_FD = 3, 4
_INFO_FD = 5

#: The namespaces of a cluster. Its nodes share the first, and have others of their own.
_OWN = namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS | namespaces.CLONE_NEWNET | namespaces.CLONE_NEWPID

MESSAGE_LIMIT = 1 << 17
_ALL = 1 << 30


class Step(StrEnum):
    """What making a cluster's namespaces takes, in this order; a machine may refuse each."""

    STAGE = "binding directories"
    NAMESPACES = "making namespaces"
    USERS = "mapping users"
    PROC = "mounting /proc"
    NETWORK = "making a bridge"


class NamespaceRefusedError(OSError):
    """The kernel, or a policy on top of it, does not let this user take that step."""

    def __init__(self, step: str, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.step = step

    def __str__(self) -> str:
        return f"{self.step}: {self.strerror}"


@contextmanager
def _step(step: Step) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NamespaceRefusedError(step, error.errno or 0, error.strerror or str(error)) from error


@dataclass(frozen=True)
class ClusterInit:
    """A running pair of keeper and pid 1, as the supervisor sees it."""

    keeper: int
    control: socket.socket
    id_map: IdMap


def start(sources: Mapping[str, Path]) -> ClusterInit:
    """Make a cluster's namespaces; in them, `sources[name]` is found at `STAGE / name`.

    Call it in the main thread of a process without other threads. Raises `NamespaceRefusedError`.
    """
    control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = os.getpid()
    keeper = os.fork()
    if keeper == 0:
        _close_all_but(theirs.fileno(), inside.fileno())
        _run(lambda: _keep(supervisor, theirs, inside, sources), report=theirs)
    inside.close()
    theirs.close()
    with ours:
        try:
            _expect(ours, b"unshared")
            with _step(Step.USERS):
                id_map = namespaces.write_best_id_map(keeper)
            ours.send(json.dumps([id_map.uids, id_map.gids]).encode())
            _expect(ours, b"ready")
        except NamespaceRefusedError:
            os.kill(keeper, signal.SIGKILL)
            os.waitpid(keeper, 0)
            control.close()
            raise
    return ClusterInit(keeper, control, id_map)


def _expect(channel: socket.socket, wanted: bytes) -> None:
    heard = channel.recv(MESSAGE_LIMIT)
    if heard != wanted:
        refusal = json.loads(heard) if heard else ("starting", 0, "it ended without a word")
        raise NamespaceRefusedError(*refusal)


def _run(body: Callable[[], None], report: socket.socket | None = None) -> NoReturn:
    """Be a forked process: do `body`, then end without the parent's clean-up."""
    status = 1
    try:
        body()
        status = 0
    except NamespaceRefusedError as error:
        if report is None:
            raise
        report.send(json.dumps([error.step, error.errno, error.strerror]).encode())
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _close_all_but(*descriptors: int) -> None:
    """Let go of what is the supervisor's: a lock or a pipe held on to here would outlive it."""
    first = 3
    for descriptor in sorted(descriptors):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, _ALL)


def _keep(parent: int, sync: socket.socket, control: socket.socket, sources: Mapping[str, Path]) -> None:
    """The keeper: make the namespaces, fork pid 1 into them, and wait for its end."""
    namespaces.die_with_parent(parent)
    privileged = os.geteuid() == 0
    if privileged:  # while it still may walk through root's own directories
        with _step(Step.STAGE):
            namespaces.unshare(namespaces.CLONE_NEWNS)
            _stage(sources)
    with _step(Step.NAMESPACES):
        namespaces.unshare(_OWN)
    sync.send(b"unshared")
    uids, gids = json.loads(sync.recv(MESSAGE_LIMIT))
    namespaces.become_root(IdMap(tuple(map(tuple, uids)), tuple(map(tuple, gids))))
    namespaces.die_with_parent(parent)
    if not privileged:
        with _step(Step.STAGE):
            _stage(sources)
    os.chdir("/")
    pid1 = os.fork()
    if pid1 == 0:
        _run(lambda: _be_pid1(sync, control), report=sync)
    sync.close()
    control.close()
    os.waitpid(pid1, 0)


def _stage(sources: Mapping[str, Path]) -> None:
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    namespaces.mount("cks-labs", str(STAGE), "tmpfs", namespaces.MS_NOSUID | namespaces.MS_NODEV, "mode=755")
    for name, source in sources.items():
        namespaces.bind(source, STAGE / name)


def _be_pid1(sync: socket.socket, control: socket.socket) -> None:
    namespaces.die_with_parent(0)  # the keeper is outside this pid namespace, where it has no number
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    flags = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
    with _step(Step.PROC):
        namespaces.mount("proc", "/proc", "proc", flags)
    with _step(Step.NETWORK):
        network.create_bridge()
    pid1 = _Pid1(control)
    sync.send(b"ready")
    sync.close()
    pid1.serve()


class _Pid1:
    """The cluster's first process: one loop over requests and ended children."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._nodes: dict[int, str] = {}
        self._wakeup, signals = socket.socketpair()
        self._wakeup.setblocking(False)
        signals.setblocking(False)
        signal.set_wakeup_fd(signals.fileno(), warn_on_full_buffer=False)
        self._signals = signals
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Serve until told to stop, or until the supervisor is gone."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._wakeup:
                        self._wakeup.recv(4096)
                        self._reap()
                    elif not self._answer():
                        return

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (name := self._nodes.pop(pid, None)) is not None:
                code = os.waitstatus_to_exitcode(status)
                self._send({"event": "node-exited", "name": name, "status": code})

    def _send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        socket.send_fds(self._control, [json.dumps(message).encode()], descriptors or [])

    def _answer(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, 2)
        if not data:
            return False
        request = json.loads(data)
        reply: dict[str, Any] = {"id": request.get("id")}
        try:
            if request["op"] == "stop":
                return False
            if request["op"] == "socket":
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
                    self._send(reply, [connection.fileno()])
                return True
            if request["op"] == "clear":
                self._clear()
            else:
                reply["pid"] = self._start_node(request, *descriptors)
        except OSError as error:
            reply["error"] = str(error)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._send(reply)
        return True

    def _clear(self) -> None:
        """Kill the nodes, and wait for their first processes, too: they become children of this one."""
        for bwrap in self._nodes:
            os.kill(bwrap, signal.SIGKILL)
        self._nodes.clear()
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)

    def _start_node(self, request: dict[str, Any], control: int, evidence: int) -> int:
        """Start bwrap with the node's pid 1 in it, and plug the node in; pid 1's number as seen here."""
        _make_mount_points(STAGE / "nodes" / request["name"] / "rootfs")
        info, info_write = os.pipe()
        bwrap = os.fork()
        if bwrap == 0:
            command, environment = request["command"], request["environment"]
            _run(lambda: _exec_node(command, environment, (control, evidence, info_write)))
        os.close(info_write)
        self._nodes[bwrap] = request["name"]
        with os.fdopen(info) as stream:
            told = stream.read()
        if not told:
            raise ChildProcessError("bwrap could not build the node; its reason is in supervisor.log")
        pid = int(json.loads(told)["child-pid"])
        network.connect_node(request["index"], request["count"], pid)
        return pid


def _make_mount_points(rootfs: Path) -> None:
    """Have bubblewrap meet real directories: through a link that a student left it would leave the node."""
    for place in MOUNT_POINTS:
        path = rootfs / place
        if path.is_symlink() or path.is_file():
            path.unlink()
        path.mkdir(exist_ok=True)


def _exec_node(command: list[str], environment: dict[str, str], descriptors: tuple[int, int, int]) -> None:
    """Become bwrap, with exactly the descriptors that the node's pid 1 (and bwrap itself) are to have."""
    targets = (CONTROL_FD, EVIDENCE_FD, _INFO_FD)
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _INFO_FD + 1) for descriptor in descriptors]
    for target, descriptor in zip(targets, moved, strict=True):
        os.dup2(descriptor, target)
    os.closerange(_INFO_FD + 1, _ALL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):  # Python ignores or handles these
        signal.signal(number, signal.SIG_DFL)
    os.execve(command[0], command, environment)
