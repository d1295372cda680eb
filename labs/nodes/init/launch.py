"""Starting a program, from fork(2) to execve(2): its namespaces, its session, its descriptors.

The loop of process 1 never waits for a child on its way: whoever may signal the child could stop it
there. The child reports over a socket of its own that execve(2) closes: silence means it runs.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import stat
import struct
import termios

from labs.nodes.init import syscalls
from labs.nodes.init.channel import receive_with_fds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from labs.nodes.init.reactor import Reactor, Status

#: Where the extra descriptors of a program start.
FIRST_EXTRA = 10
#: What a shell answers when a program could not be started.
NOT_EXECUTABLE, NOT_FOUND = 126, 127

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Launch:
    """What to start, and how. Descriptors stay the caller's to close once `start` returns."""

    def __init__(self, argv: list[str], env: dict[str, str], cwd: str = "/") -> None:
        self.argv = argv
        self.env = env
        self.cwd = cwd
        #: The file to execute when it is not argv[0], looked up in PATH.
        self.program: str | None = None
        #: stdin, stdout and stderr; empty when `terminal` gives all three.
        self.stdio: list[int] = []
        #: Passed on at 10, 11, 12, …; a None leaves its number free.
        self.extra: list[int | None] = []
        #: (rows, columns) of a terminal to be opened in the joined mount namespace; its master is reported.
        self.terminal: tuple[int, int] | None = None
        #: (descriptor, kinds) of namespaces or pidfds to join in this order; those of pids come first of all.
        self.join: list[tuple[int, int]] = []
        self.join_pids: int | None = None
        #: Make and enter one more user namespace below the joined ones, with the same users.
        self.below = False
        #: Be somebody in the joined namespaces: (uid, gid, groups) and the bits of the capabilities to keep.
        self.user: tuple[int, int, list[int]] | None = None
        self.capabilities: int | None = None
        #: Mount points to take away in a private mount namespace.
        self.without: list[str] = []
        #: The /proc to see in a private mount namespace, for who joins another pid namespace.
        self.proc: str | None = None
        #: Signals that wait until the program takes them.
        self.blocked: list[int] = []
        #: Say on stderr what is wrong with argv[0] and exit 126 or 127, as a shell does; else it is an error.
        self.like_a_shell = False


class Started:
    """How a start went: `error` is None when the program runs; `master` is the terminal asked for."""

    def __init__(
        self, pid: int, error: str | None = None, code: int = NOT_FOUND, master: int | None = None
    ) -> None:
        self.pid = pid
        self.error = error
        self.code = code
        self.master = master


class Launcher:
    """Forks from process 1 and tells, through the loop, how it went and how it ended."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        #: /proc as process 1 sees it, for children whose own /proc belongs to somebody else.
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def start(
        self, launch: Launch, on_started: Callable[[Started], object], on_exit: Callable[[Status], object]
    ) -> int:
        """Fork. `on_started` is called once; `on_exit` only after it, and only if the program did run."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        # process 1 ignores signals that the child must not: until it has its own mind, they wait
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = self._fork(launch)
            if pid == 0:
                _become(launch, theirs, self._proc)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            theirs.close()
        ours.setblocking(False)
        birth = _Birth(self._reactor, ours, pid, on_started, on_exit)
        self._reactor.on_readable(ours.fileno(), birth.hear)
        self._reactor.on_exit(pid, birth.ended)
        return pid

    def _fork(self, launch: Launch) -> int:
        if launch.join_pids is None:
            return os.fork()
        # a process cannot change its own pid namespace, only that of its next children
        syscalls.setns(launch.join_pids, syscalls.CLONE_NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                syscalls.setns(self._own_pids, syscalls.CLONE_NEWPID)
        return pid


class _Birth:
    """Puts the child's report and its end, which may arrive in either order, into order."""

    def __init__(
        self,
        reactor: Reactor,
        sock: socket.socket,
        pid: int,
        on_started: Callable[[Started], object],
        on_exit: Callable[[Status], object],
    ) -> None:
        self._reactor = reactor
        self._sock = sock
        self._pid = pid
        self._on_started = on_started
        self._on_exit = on_exit
        self._master: int | None = None
        self._settled: Started | None = None

    def hear(self) -> None:
        if self._settled is not None:
            return
        try:
            data, fds, _ = receive_with_fds(self._sock, 8192, 1)
        except BlockingIOError:
            return
        if fds:
            self._master = fds[0]
            return
        if data:
            failure = json.loads(data)
            if self._master is not None:
                os.close(self._master)
            self._settle(Started(self._pid, failure["error"], failure["code"]))
        else:
            self._settle(Started(self._pid, master=self._master))

    def ended(self, status: Status) -> None:
        while self._settled is None:  # the socket's other end is closed: all it says can be read at once
            self.hear()
        if self._settled.error is None:
            self._on_exit(status)

    def _settle(self, outcome: Started) -> None:
        self._settled = outcome
        self._reactor.on_readable(self._sock.fileno(), None)
        self._sock.close()
        self._on_started(outcome)


class _NotExecuted(Exception):
    """There is no such program, or it may not be executed."""

    def __init__(self, message: str, as_a_shell: str, code: int) -> None:
        super().__init__(message)
        self.as_a_shell = as_a_shell
        self.code = code


def _become(launch: Launch, report: socket.socket, proc: int) -> None:
    """Turn the forked child into the program. Never returns."""
    code = NOT_FOUND
    try:
        # from here on this copy of process 1's memory and descriptors is nobody else's to look at
        syscalls.set_dumpable(False)
        highest = FIRST_EXTRA + len(launch.extra)
        # copies above all numbers that are about to be given away
        report = socket.socket(fileno=fcntl.fcntl(report.fileno(), fcntl.F_DUPFD_CLOEXEC, highest))
        proc = fcntl.fcntl(proc, fcntl.F_DUPFD_CLOEXEC, highest)
        _prepare(launch, report, proc, highest)
        _execute(launch)
    except _NotExecuted as failure:
        code = failure.code
        if launch.like_a_shell:
            os.write(2, f"bash: {failure.as_a_shell}\n".encode())
        else:
            _fail(report, str(failure), code)
    except BaseException as failure:  # whatever it is, this copy of process 1 must end and say why
        _fail(report, str(failure) or type(failure).__name__, code)
    finally:
        os._exit(code)


def _fail(report: socket.socket, message: str, code: int) -> None:
    report.send(json.dumps({"error": message[:4000], "code": code}).encode())


def _prepare(launch: Launch, report: socket.socket, proc: int, highest: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, launch.blocked)
    os.setsid()

    def high(fd: int) -> int:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, highest)

    joins = [(high(fd), kinds) for fd, kinds in launch.join]
    extra = [(FIRST_EXTRA + i, high(fd)) for i, fd in enumerate(launch.extra) if fd is not None]
    stdio = [high(fd) for fd in launch.stdio]
    if launch.without or launch.proc:
        syscalls.unshare(syscalls.CLONE_NEWNS)
    for place in launch.without:
        syscalls.unmount(place)
    if launch.proc:
        syscalls.mount(launch.proc, "/proc", syscalls.MS_BIND)
    for fd, kinds in joins:
        syscalls.setns(fd, kinds)
    if launch.terminal is not None:
        master, slave = open_terminal("/dev/pts/ptmx", *launch.terminal)
        socket.send_fds(report, [b"terminal"], [master])
        if launch.user is not None:
            os.fchown(slave, launch.user[0], -1)
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        stdio = [slave] * 3
    if launch.below:
        _enter_user_namespace_below(proc)
    for target, fd in [*enumerate(stdio), *extra]:
        os.dup2(fd, target, inheritable=True)
    try:
        os.chdir(launch.cwd)
    except OSError as failure:
        raise OSError(f"cannot change to directory {launch.cwd}: {os.strerror(failure.errno or 0)}") from None
    _become_user(launch)


def _become_user(launch: Launch) -> None:
    """What a program may do follows at execve(2): root gets the capabilities that are left, others none."""
    if launch.capabilities is not None:
        syscalls.limit_capabilities(launch.capabilities)
        syscalls.set_no_new_privileges()
    if launch.user is not None:
        uid, gid, groups = launch.user
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def _execute(launch: Launch) -> None:
    """execve(2) along PATH, with the answers that a container runtime gives."""
    program = launch.program or launch.argv[0]
    if "/" in program:
        candidates = [program]
    else:
        path = launch.env.get("PATH", _DEFAULT_PATH)
        candidates = [f"{directory or '.'}/{program}" for directory in path.split(":")]
    refused = 0
    for candidate in candidates:
        try:
            os.execve(candidate, launch.argv, launch.env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as failure:
            refused = refused or failure.errno or errno.EACCES
    if refused:
        reason = os.strerror(refused)
        raise _NotExecuted(f'exec: "{program}": {reason.lower()}', f"{program}: {reason}", NOT_EXECUTABLE)
    if "/" in program:
        message = f'exec: "{program}": stat {program}: no such file or directory'
        raise _NotExecuted(message, f"{program}: No such file or directory", NOT_FOUND)
    message = f'exec: "{program}": executable file not found in $PATH'
    raise _NotExecuted(message, f"{program}: command not found", NOT_FOUND)


def open_terminal(multiplexer: str, rows: int, columns: int) -> tuple[int, int]:
    """A new pseudo terminal (master, slave) of the devpts that `multiplexer` belongs to.

    The path may lie in a tree of somebody else, so what it leads to is looked at first.
    """
    master = os.open(multiplexer, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    kind = os.fstat(master)
    if not stat.S_ISCHR(kind.st_mode) or kind.st_rdev != os.makedev(5, 2):
        os.close(master)
        raise OSError(errno.ENOTTY, f"{multiplexer} is not a terminal multiplexer")
    os.set_blocking(master, True)
    fcntl.ioctl(master, syscalls.TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, syscalls.TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return master, slave


def _enter_user_namespace_below(proc: int) -> None:
    """One more user namespace, with the map repeated.

    The map must be written by a process of the parent namespace, so one is forked before; it uses
    process 1's own /proc, as this process may by now see another's.
    """
    me = os.readlink("self", dir_fd=proc)
    maps = _own_maps(me, proc)
    unshared, written = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
    helper = os.fork()
    if helper == 0:
        code = 1
        try:
            os.read(unshared[0], 1)
            write_maps(proc, me, maps)
            code = 0
        finally:
            os._exit(code)
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    os.write(unshared[1], b".")
    _, status = os.waitpid(helper, 0)
    for fd in (*unshared, *written):
        os.close(fd)
    if status != 0:
        raise OSError("cannot map the users of a user namespace below")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _own_maps(pid: str, proc: int) -> tuple[str, str, str]:
    """uid_map, gid_map and setgroups of a namespace below that of `pid`, with the same users."""
    texts = []
    for name in ("uid_map", "gid_map", "setgroups"):
        with open(os.open(f"{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)) as file:
            texts.append(file.read())
    uid_map, gid_map, setgroups = texts

    def repeat(extents: str) -> str:
        lines = (line.split() for line in extents.splitlines())
        return "".join(f"{inside} {inside} {count}\n" for inside, _, count in lines)

    return repeat(uid_map), repeat(gid_map), setgroups.strip()


def write_maps(proc: int, pid: str, maps: tuple[str, str, str]) -> None:
    """Give the new user namespace of a process its users: one write(2) each, as the kernel demands."""
    uid_map, gid_map, setgroups = maps
    for name, text in (("setgroups", setgroups), ("uid_map", uid_map), ("gid_map", gid_map)):
        fd = os.open(f"{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
