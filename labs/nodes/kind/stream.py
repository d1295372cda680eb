"""The connection on which Docker carries stdin, stdout and stderr of one command in a container.

Without a terminal, what comes is framed: a byte that says which output, three zeros, the length in four
bytes, the data (Docker's Engine API, "Attach to a container", stream format). With one, it is raw.
"""

import socket
import struct
from collections.abc import Iterator
from typing import Any

STDOUT, STDERR = 1, 2
_CHUNK = 1 << 16
_HEADER = struct.Struct(">BxxxL")


class ExecStream:
    """One side of the connection: what goes to the command's stdin, and what comes from its outputs."""

    def __init__(self, connection: Any) -> None:
        """`connection` is what the SDK's `exec_start(socket=True)` returns."""
        self._connection = connection
        self._socket: socket.socket = getattr(connection, "_sock", connection)
        self._socket.settimeout(None)
        # the SDK hands out the bare socket, but the first output may have come along with the answer's
        # headers: then it is in the buffer that these were read through
        self._reader = connection._response.raw._fp.fp

    def send(self, data: bytes) -> None:
        """To the command's stdin; waits while the command does not read. `OSError` when it has ended."""
        self._socket.sendall(data)

    def end_input(self) -> None:
        """Close the command's stdin."""
        self._socket.shutdown(socket.SHUT_WR)

    def outputs(self) -> Iterator[tuple[int, bytes]]:
        """What comes, with `STDOUT` or `STDERR`, until the end, or until Docker hangs up."""
        try:
            while len(header := self._reader.read(_HEADER.size)) == _HEADER.size:
                which, left = _HEADER.unpack(header)
                while left and (data := self._reader.read1(min(left, _CHUNK))):
                    left -= len(data)
                    yield which, data
        except (OSError, ValueError):  # ValueError: closed by `close`
            return

    def screen(self) -> Iterator[tuple[int, bytes]]:
        """What comes from a terminal, as if it all were stdout."""
        try:
            while data := self._reader.read1(_CHUNK):
                yield STDOUT, data
        except (OSError, ValueError):
            return

    def close(self) -> None:
        """Hang up; a thread that waits for output wakes."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other side has, already
            return
