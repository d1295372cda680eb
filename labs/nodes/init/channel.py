"""JSON messages with descriptors over a pair of sockets: how init talks to supervisor and runtime."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from labs.nodes.init.reactor import Reactor

    #: Takes a message and its descriptors, which are the receiver's to close.
    Receiver = Callable[[dict[str, Any], list[int]], object]

#: The largest message of either side.
MESSAGE_MAX = 128 * 1024
#: The kernel's limit of descriptors in one message.
_FDS_MAX = 253


class Channel:
    """One end of the pair. Nothing here blocks: what the other side does not take yet waits in a queue."""

    def __init__(
        self, reactor: Reactor, sock: socket.socket, on_message: Receiver, on_close: Callable[[], object]
    ) -> None:
        sock.setblocking(False)
        self._reactor = reactor
        self._sock = sock
        self._on_message = on_message
        self._on_close = on_close
        self._queue: deque[tuple[bytes, list[int]]] = deque()
        self.closed = False
        reactor.on_readable(sock.fileno(), self._receive)

    @property
    def backlog(self) -> int:
        """How many messages the other side has not taken yet."""
        return len(self._queue)

    def send(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        """Send now or as soon as the other side takes it. `fds` are closed here once they are sent."""
        data = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        self._queue.append((data, fds or []))
        if len(self._queue) == 1:
            self._flush()

    def close(self) -> None:
        """Drop the connection and what is still queued, and tell the owner. Twice is once."""
        if self.closed:
            return
        self.closed = True
        self._reactor.on_readable(self._sock.fileno(), None)
        self._reactor.on_writable(self._sock.fileno(), None)
        self._sock.close()
        for _, fds in self._queue:
            close_all(fds)
        self._queue.clear()
        self._on_close()

    def _flush(self) -> None:
        while self._queue and not self.closed:
            data, fds = self._queue[0]
            try:
                socket.send_fds(self._sock, [data], fds)
            except BlockingIOError:
                self._reactor.on_writable(self._sock.fileno(), self._flush)
                return
            except OSError:  # the other side is gone
                self.close()
                return
            self._queue.popleft()
            close_all(fds)
        if not self.closed:
            self._reactor.on_writable(self._sock.fileno(), None)

    def _receive(self) -> None:
        """Take the messages that have come, but not for ever: others wait for the loop, too."""
        for _ in range(64):
            if self.closed:
                return
            try:
                data, fds, flags = receive_with_fds(self._sock, MESSAGE_MAX, _FDS_MAX)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            if not data and not fds:
                self.close()
                return
            try:
                message = json.loads(data)
                if not isinstance(message, dict) or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                    raise ValueError("a message is one JSON object of at most 128 KB")
            except ValueError as malformed:
                close_all(fds)
                self.send({"error": str(malformed)})
                continue
            self._on_message(message, fds)


def receive_with_fds(sock: socket.socket, size: int, count: int) -> tuple[bytes, list[int], int]:
    """One message, its descriptors and its flags. (`socket.recv_fds` makes them inheritable.)"""
    data, extras, flags, _ = sock.recvmsg(size, socket.CMSG_LEN(count * 4), socket.MSG_CMSG_CLOEXEC)
    fds = [
        fd
        for level, kind, content in extras
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for (fd,) in struct.iter_unpack("i", content[: len(content) // 4 * 4])
    ]
    return data, fds, flags


def close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
