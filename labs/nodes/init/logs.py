"""What a container writes, kept in the format of the container runtime interface.

2026-11-23T17:55:13.569708183Z stdout F hello
"""

from __future__ import annotations

import os
import time

from labs.nodes.init.files import NodeFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from labs.nodes.init.reactor import Reactor

#: containerd's max_container_log_line_size: longer lines are cut, and all pieces but the last marked P.
LINE_MAX = 16 * 1024

_READ_MAX = 64 * 1024
#: How much is still read of a container that has ended; what others write to its pipe may have no end.
_REST_MAX = 1024 * 1024


class ContainerLog:
    """A log file that both streams of a container append to. It may vanish, and be reopened."""

    def __init__(self, files: NodeFiles, path: str) -> None:
        self._files = files
        self._path = path
        self._fd: int | None = None
        self.reopen()

    def reopen(self) -> None:
        """Go on in a new file of the same name (after it was renamed). Raises `OSError` when that fails."""
        fd = self._files.append(self._path)
        self.close()
        self._fd = fd

    def write(self, lines: bytes) -> None:
        if self._fd is None:
            return
        try:
            os.write(self._fd, lines)
        except OSError:  # the disk is full: the container goes on, its lines are lost
            return

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Stream:
    """One of a container's two pipes, or its terminal: read by the loop, written to the log line by line."""

    def __init__(
        self, reactor: Reactor, fd: int, name: str, log: ContainerLog, on_end: Callable[[], object]
    ) -> None:
        os.set_blocking(fd, False)
        self._reactor = reactor
        self._fd = fd
        self._name = name.encode()
        self._log = log
        self._on_end = on_end
        self._rest = b""
        self.ended = False
        reactor.on_readable(fd, self.read)

    def read(self) -> int:
        """Take what is there now, at most one buffer full; says how much it was."""
        try:
            data = os.read(self._fd, _READ_MAX)
        except BlockingIOError:
            return 0
        except OSError:  # a terminal whose last user has gone
            data = b""
        if data:
            self._feed(data)
        else:
            self._end()
        return len(data)

    def drain(self) -> None:
        """Take all that is there now."""
        taken = 0
        while not self.ended and taken < _REST_MAX:
            size = self.read()
            if size == 0:
                return
            taken += size

    def _feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        stamp = _now()
        out = []
        for line in lines:
            *pieces, last = _pieces(line)
            out += [self._line(stamp, b"P", piece) for piece in pieces]
            out.append(self._line(stamp, b"F", last))
        *pieces, self._rest = _pieces(rest)
        out += [self._line(stamp, b"P", piece) for piece in pieces]
        if out:
            self._log.write(b"".join(out))

    def _line(self, stamp: bytes, tag: bytes, text: bytes) -> bytes:
        return b"%b %b %b %b\n" % (stamp, self._name, tag, text)

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        if self._rest:  # a last line without an end counts as partial
            self._log.write(self._line(_now(), b"P", self._rest))
        self._reactor.on_readable(self._fd, None)
        os.close(self._fd)
        self._on_end()


def _pieces(line: bytes) -> list[bytes]:
    """A line in pieces of at most `LINE_MAX`; an empty one is one piece, too."""
    return [line[at : at + LINE_MAX] for at in range(0, len(line) or 1, LINE_MAX)]


def _now() -> bytes:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z").encode()
