"""A client of a supervisor's sockets, for all that runs beside a cluster: CLI, judge, notebook, grader.

Standard library only, and little of it, so that a command on the node costs a tenth of a second from the
shell's prompt and back.
"""

import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from labs.errors import LabsError

#: The status of a command that could not be run, as `docker run` and `kubectl` plug-ins have it.
NOT_RUN = 125

_LIMIT = 1 << 16


class SupervisorGoneError(LabsError):
    """Nobody serves the socket, or whoever did has hung up."""


class RefusedError(LabsError):
    """The supervisor said no; the message is its reason."""


def connect(path: Path) -> socket.socket:
    """A connection to the supervisor that serves the socket `path`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # the kernel takes 107 characters of path at most, and a home directory may be deep
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
    except OSError as error:
        connection.close()
        name = path.parent.name
        raise SupervisorGoneError(f"cluster '{name}' is not running: 'labs up {name}' starts it") from error
    return connection


class Connection:
    """One conversation: lines of JSON, with descriptors in between."""

    def __init__(self, path: Path) -> None:
        self.socket = connect(path)
        self._received = b""
        self._name = path.parent.name

    def send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send one message."""
        data = json.dumps(message).encode() + b"\n"
        try:
            rest = data[socket.send_fds(self.socket, [data], list(descriptors)) :]
            if rest:  # to send nothing fails, too, when the answer came and the other side has hung up
                self.socket.sendall(rest)
        except OSError as error:
            raise self._gone() from error

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """The next message and what came with it; None when the supervisor has hung up."""
        descriptors: list[int] = []
        while b"\n" not in self._received:
            try:
                data, received, _, _ = socket.recv_fds(self.socket, _LIMIT, 4)
            except OSError as error:
                raise self._gone() from error
            descriptors += received
            if not data:
                return None
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line), descriptors

    def wait(self, timeout: float) -> bool:
        """Whether a message, or the supervisor's hanging up, came within `timeout` seconds."""
        return b"\n" in self._received or bool(select.select([self.socket], [], [], timeout)[0])

    def answer(self) -> tuple[dict[str, Any], list[int]]:
        """The next message, which must say that all is well."""
        received = self.receive()
        if received is None:
            raise self._gone()
        message, _ = received
        if not message.get("ok", True):
            raise RefusedError(message["error"])
        return received

    def _gone(self) -> SupervisorGoneError:
        return SupervisorGoneError(f"cluster '{self._name}' went down: 'labs up {self._name}' resumes it")

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client:
    """What a cluster offers on one of its sockets (`student.sock`, `judge.sock`)."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        """One request and its answer; `LabsError` with the supervisor's reason when it refuses."""
        with Connection(self.path) as connection:
            connection.send({"op": op, **arguments})
            answer, _ = connection.answer()
            return {key: value for key, value in answer.items() if key != "ok"}

    def stream(self, op: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """One request and each line of its answer, until one has a "result" or the supervisor hangs up."""
        with Connection(self.path) as connection:
            connection.send({"op": op, **arguments})
            while True:
                received = connection.receive()
                if received is None:
                    return
                message, _ = received
                if not message.pop("ok", True):
                    raise RefusedError(message["error"])
                yield message
                if "result" in message:
                    return

    def exec(
        self,
        argv: Sequence[str],
        *,
        node: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        view: str | None = None,
        fds: Sequence[int] = (0, 1, 2),
        signals: Sequence[int] = (),
    ) -> int:
        """Run a command on the node with this process' own stdin, stdout and stderr; its exit status.

        Of the signals that reach this process meanwhile, `signals` go to the command instead; naming any
        needs the main thread.
        """
        with Connection(self.path) as connection, _passing_on(signals, connection):
            connection.send(_request(argv, node, env, cwd, view), fds)
            connection.answer()
            return _exit(connection)

    def terminal(
        self,
        argv: Sequence[str],
        *,
        node: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> int:
        """Run a command on the node in a terminal of its own, which this process' terminal becomes."""
        from labs.nodes.terminal import interact  # costs time that only a person at a prompt has

        with Connection(self.path) as connection:
            size = os.get_terminal_size(0)
            tty = {"rows": size.lines, "cols": size.columns, "term": os.environ.get("TERM", "xterm")}
            connection.send({**_request(argv, node, env, cwd, None), "tty": tty})
            _, (master,) = connection.answer()
            return interact(connection, master)

    def run(
        self,
        argv: Sequence[str],
        *,
        node: str | None = None,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        view: str | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the node and return what it printed, as `subprocess.run` does on the host.

        Raises `subprocess.TimeoutExpired` after `timeout` seconds, when the command has been hung up on.
        """
        with (
            Connection(self.path) as connection,
            _memory_file("stdin") as stdin,
            _memory_file("stdout") as stdout,
            _memory_file("stderr") as stderr,
        ):
            # files, not pipes: a command whose child keeps its output open has ended all the same
            stdin.write((input or "").encode())
            stdin.seek(0)
            connection.send(
                _request(argv, node, env, cwd, view), [stdin.fileno(), stdout.fileno(), stderr.fileno()]
            )
            connection.answer()
            if timeout is not None and not connection.wait(timeout):
                raise subprocess.TimeoutExpired(list(argv), timeout, _text(stdout), _text(stderr))
            return subprocess.CompletedProcess(list(argv), _exit(connection), _text(stdout), _text(stderr))


def _request(
    argv: Sequence[str], node: str | None, env: Mapping[str, str] | None, cwd: str | None, view: str | None
) -> dict[str, Any]:
    request = {
        "op": "exec",
        "node": node,
        "argv": list(argv),
        "env": dict(env or {}),
        "cwd": cwd,
        "tty": None,
    }
    return request if view is None else {**request, "view": view}


def _exit(connection: Connection) -> int:
    message, _ = connection.answer()
    return int(message["exit"])


@contextmanager
def _passing_on(signals: Sequence[int], connection: Connection) -> Iterator[None]:
    def pass_on(number: int, _: object) -> None:
        connection.send({"signal": number})

    before = {number: signal.signal(number, pass_on) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _memory_file(name: str) -> IO[bytes]:
    return os.fdopen(os.memfd_create(name), "r+b")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
