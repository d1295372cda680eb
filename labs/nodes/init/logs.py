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
    """A log file that both streams of a container append to. It may vanish, and be reopened.

    Without a path nothing is kept.
    """

    def __init__(self, files: NodeFiles, path: str) -> None:
        self._files = files
        self._path = path
        self._fd: int | None = None
        if path:
            self.reopen()

    def reopen(self) -> None:
        """Go on in a new file of the same name (after it was renamed). Raises `OSError` when that fails."""
        if not self._path:
            return
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


class Follower:
    """Somebody attached to a stream: gets what it says from now on through a pipe, which is closed here.

    While he takes nothing the stream waits, as under containerd.
    """

    def __init__(self, reactor: Reactor, fd: int, on_change: Callable[[Follower], object]) -> None:
        os.set_blocking(fd, False)
        self._reactor = reactor
        self._fd = fd
        self._on_change = on_change
        self._pending = bytearray()
        self._finished = False
        self.closed = False
        reactor.on_readable(fd, self._close)  # nothing is ever to be read: the other end has gone

    @property
    def waiting(self) -> bool:
        """He has not yet taken what there was."""
        return bool(self._pending)

    def write(self, data: bytes) -> None:
        self._pending += data
        self._flush()

    def finish(self) -> None:
        """Close the pipe after what he has not taken yet."""
        self._finished = True
        self._flush()

    def _flush(self) -> None:
        if self.closed:
            return
        try:
            while self._pending:
                del self._pending[: os.write(self._fd, self._pending)]
        except BlockingIOError:
            self._reactor.on_writable(self._fd, self._flush)
            return
        except OSError:  # he has gone
            self._finished = True
        self._reactor.on_writable(self._fd, None)
        if self._finished:
            self._close()
        else:
            self._on_change(self)

    def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._pending.clear()
        self._reactor.on_readable(self._fd, None)
        self._reactor.on_writable(self._fd, None)
        os.close(self._fd)
        self._on_change(self)


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
        self._followers: list[Follower] = []
        self.ended = False
        reactor.on_readable(fd, self.read)

    def follow(self, fd: int) -> None:
        """Write what comes from now on to the pipe `fd`, too, and close it at the end."""
        follower = Follower(self._reactor, fd, self._changed)
        self._followers.append(follower)
        if self.ended:
            follower.finish()

    def duplicate(self) -> int:
        """Another descriptor of what is read here: a terminal's can be written to."""
        return os.dup(self._fd)

    def _changed(self, follower: Follower) -> None:
        """A follower has taken all there was, or has gone: go on unless another is still behind."""
        if follower.closed:
            self._followers.remove(follower)
        if not self.ended and not any(each.waiting for each in self._followers):
            self._reactor.on_readable(self._fd, self.read)

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
            for follower in list(self._followers):
                follower.write(data)
            if any(follower.waiting for follower in self._followers):
                self._reactor.on_readable(self._fd, None)
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
        for follower in list(self._followers):
            follower.finish()
        self._on_end()


def _pieces(line: bytes) -> list[bytes]:
    """A line in pieces of at most `LINE_MAX`; an empty one is one piece, too."""
    return [line[at : at + LINE_MAX] for at in range(0, len(line) or 1, LINE_MAX)]


def _now() -> bytes:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z").encode()
