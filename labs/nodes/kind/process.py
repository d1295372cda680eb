"""A command that Docker runs in a node's container (`docker exec`), joined to a client's descriptors.

Docker tells nobody the command's pid in the container and sends it no signals. So it is started by a line of
shell that says its own pid and then becomes the command, and a signal is one more command, `kill`.
"""

import asyncio
import os
import signal
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from labs.errors import LabsError
from labs.nodes.base import Terminal
from labs.nodes.channel import close_all
from labs.nodes.kind import pump, threads
from labs.nodes.kind.daemon import explained
from labs.nodes.kind.stream import STDERR, STDOUT, ExecStream

#: Says the pid, gives the terminal its size, and becomes the command, or answers as a shell does.
_START = """\
echo $$
[ "$1" = - ] || stty rows "${1% *}" cols "${1#* }"
shift
command -v "$1" >/dev/null || { echo "bash: $1: command not found" >&2; exit 127; }
exec "$@"
"""
#: How often a command is looked at that has closed its outputs and lives on.
_ENDED_SECONDS = 0.05


def started(argv: Sequence[str], terminal: Terminal | None) -> list[str]:
    """What Docker is to run so that the command `argv` runs and its pid comes first."""
    size = f"{terminal.rows} {terminal.columns}" if terminal else "-"
    return ["/bin/sh", "-c", _START, "sh", size, *argv]


class Docked:
    """One command at Docker, by its exec's id. All of its methods wait for Docker."""

    def __init__(self, api: Any, container: str, identity: str, *, terminal: bool) -> None:
        self._api = api
        self._container = container
        self._identity = identity
        self._terminal = terminal
        self.stream = ExecStream(api.exec_start(identity, tty=terminal, socket=True))
        self._outputs = self.stream.screen() if terminal else self.stream.outputs()
        self._rest: list[tuple[int, bytes]] = []
        self.pid = self._read_pid()

    def _read_pid(self) -> int:
        first = b""
        complaints: list[tuple[int, bytes]] = []
        for which, data in self._outputs:
            if which == STDERR:  # each output has its own way through Docker, and this one may be the faster
                complaints.append((which, data))
                continue
            first += data
            line, end, rest = first.partition(b"\n")
            if end and line.strip().isdigit():
                self._rest = [*complaints, (STDOUT, rest)] if rest else complaints
                return int(line)
            if end:
                break
        # it is Docker that speaks: it could not even start the shell
        said = b"".join((first, *(data for _, data in (*complaints, *self._outputs))))
        raise OSError(" ".join(said.decode(errors="replace").split()) or "the node's container does not run")

    def outputs(self) -> Iterator[tuple[int, bytes]]:
        """All that comes from the command, with the output it comes from."""
        yield from self._rest
        yield from self._outputs

    def status(self) -> int:
        """Its exit status, once its outputs have ended. `OSError` when Docker does not know it any more."""
        while True:
            answer = self._api.exec_inspect(self._identity)
            if not answer["Running"]:
                return int(answer["ExitCode"])
            time.sleep(_ENDED_SECONDS)  # it has closed its outputs, and nobody tells when it ends

    def send(self, number: int) -> None:
        """Send a signal to its process group, or to all of its terminal's session."""
        target = ["-s", str(self.pid)] if self._terminal else ["-g", str(self.pid)]
        kill = self._api.exec_create(self._container, ["pkill", f"-{number}", *target])["Id"]
        self._api.exec_start(kill, detach=True)

    def resize(self, rows: int, columns: int) -> None:
        """Give its terminal another size, of which it is told."""
        self._api.exec_resize(self._identity, height=rows, width=columns)


class KindProcess:
    """A command on the node. One thread carries its input, another its outputs and the news of its end."""

    def __init__(self, command: Docked, descriptors: Sequence[int], master: int | None = None) -> None:
        """`descriptors` are stdin, stdout and stderr, which now belong to it; all three are a terminal's
        other side when there is a `master`.
        """
        self.pid = command.pid
        self.master = master
        self._command = command
        self._terminal = descriptors[0] if master is not None else None
        self._size = termios.tcgetwinsize(descriptors[0]) if master is not None else None
        self._sizing = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._alarm = pump.Alarm()
        self._stdin, self._targets = descriptors[0], dict(zip((STDOUT, STDERR), descriptors[1:], strict=True))
        self._input = threading.Thread(target=self._carry_input, name=f"stdin of {self.pid}", daemon=True)
        self._input.start()
        threads.start(self._carry_outputs, name=f"outputs of {self.pid}")

    async def wait(self) -> int:
        """Its exit status; `ConnectionError` when the node went away before it."""
        return await asyncio.shield(self._ended)

    async def signal(self, number: int) -> None:
        """Send a signal to its process group or session; SIGWINCH: its terminal here has another size."""
        if self._ended.done():
            return
        if number == signal.SIGWINCH and self._terminal is not None:
            await threads.blocking(self._follow_size)
        else:
            await threads.blocking(self._send, number)

    def _send(self, number: int) -> None:
        with explained("sending a signal"):
            self._command.send(number)

    def _follow_size(self) -> None:
        """Give the command's terminal the size of the one here, if that has another one now."""
        if self._terminal is None:
            return
        with self._sizing, suppress(termios.error):  # it has been closed, as the command has ended
            size = termios.tcgetwinsize(self._terminal)
            if size != self._size:
                with explained("resizing a terminal"):
                    self._command.resize(*size)
                self._size = size

    def _carry_input(self) -> None:
        with suppress(OSError, LabsError):  # it has ended, or reads no more
            while data := pump.read(self._stdin, self._alarm):
                self._follow_size()  # what is typed after a window was resized is for the resized one
                self._command.stream.send(data)
            if self._terminal is None:  # of a terminal, whoever sat there has gone: the service hangs up
                self._command.stream.end_input()

    def _carry_outputs(self) -> None:
        for which, data in self._command.outputs():
            if which in self._targets:
                self._carry(which, data)
        try:
            status, error = self._status(), None
        except LabsError as failure:
            status, error = None, ConnectionResetError(str(failure))
        close_all(list(self._targets.values()))
        threads.tell(self._loop, self._settle, status, error)
        self._command.stream.close()
        self._alarm.ring()
        self._input.join()
        close_all([self._stdin])
        self._alarm.close()

    def _carry(self, which: int, data: bytes) -> None:
        try:
            pump.write(self._targets[which], data, self._alarm)
        except OSError:
            # nobody reads it any more: Docker would go on, and a pipe's writer is to know
            os.close(self._targets.pop(which))
            if self._terminal is None:
                with suppress(LabsError):  # Docker has gone, and the command's outputs end, too
                    self._send(signal.SIGPIPE)

    def _status(self) -> int:
        with explained("the command's end is unknown: asking Docker"):
            return self._command.status()

    def _settle(self, status: int | None, error: ConnectionError | None) -> None:
        if error is not None:
            self._ended.set_exception(error)
        elif status is not None:
            self._ended.set_result(status)
