"""JSON messages with file descriptors, in an asyncio program: packets to processes, lines to clients.

`PacketChannel` is how the supervisor talks to the processes it forked, over one end of a SOCK_SEQPACKET
pair. `LineConnection` is one client of its sockets. Descriptors travel by SCM_RIGHTS with the message that
needs them; whoever takes them owns them.
"""

import array
import asyncio
import itertools
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Message = dict[str, Any]

#: No packet is larger: a socket pair's buffer holds little more.
PACKET_LIMIT = 1 << 18
LINE_LIMIT = 1 << 22
_DESCRIPTOR_LIMIT = 16
_SPACE = socket.CMSG_SPACE(_DESCRIPTOR_LIMIT * array.array("i").itemsize)


class ChannelClosedError(ConnectionError):
    """The other side has gone."""


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    received = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
    return list(received)


def close_all(descriptors: Sequence[int]) -> None:
    """Close descriptors that came with a message and were not wanted."""
    for descriptor in descriptors:
        os.close(descriptor)


class PacketChannel:
    """One end of a packet socket pair. Messages go to `on_message` in the order in which they came."""

    def __init__(
        self,
        end: socket.socket,
        on_message: Callable[[Message, list[int]], None],
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        end.setblocking(False)
        self._socket = end
        self._on_message = on_message
        self._on_close = on_close
        self._buffer = bytearray(PACKET_LIMIT)
        self._backlog: deque[tuple[bytes, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self.closed = False
        self._loop.add_reader(end, self.drain)

    def drain(self) -> None:
        """Deliver whatever has arrived by now."""
        while not self.closed:
            try:
                size, ancillary, _, _ = self._socket.recvmsg_into(
                    [self._buffer], _SPACE, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except ConnectionResetError:
                size, ancillary = 0, []
            if size == 0:
                self.close()
                self._on_close()
                return
            descriptors = _descriptors(ancillary)
            self._on_message(json.loads(bytes(memoryview(self._buffer)[:size])), descriptors)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send now, or as soon as the other side has room; `descriptors` stay the caller's."""
        if self.closed:
            raise ChannelClosedError("the process at the other end is gone")
        data = json.dumps(message).encode()
        if self._backlog or not self._try(data, descriptors):
            self._backlog.append((data, [os.dup(descriptor) for descriptor in descriptors]))
            self._loop.add_writer(self._socket, self._flush)

    def _try(self, data: bytes, descriptors: Sequence[int]) -> bool:
        try:
            socket.send_fds(self._socket, [data], list(descriptors))
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosedError("the process at the other end is gone") from error
        return True

    def _flush(self) -> None:
        try:
            while self._backlog and self._try(*self._backlog[0]):
                close_all(self._backlog.popleft()[1])
        except ChannelClosedError:
            self.close()
            self._on_close()
        if not self._backlog and not self.closed:
            self._loop.remove_writer(self._socket)

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            for _, descriptors in self._backlog:
                close_all(descriptors)
            self._backlog.clear()
            self._socket.close()


class RequestChannel:
    """Requests with a number each, and their replies, over a packet channel; all else goes to `on_event`.

    A reply that nobody waits for (any more) is an event, too: so it is with the end of a process, which
    bears the number of the request that started it.
    """

    def __init__(
        self,
        end: socket.socket,
        on_event: Callable[[Message], None],
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_event = on_event
        self._on_close = on_close
        self._numbers: Iterator[int] = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Message, list[int]]]] = {}
        self._channel = PacketChannel(end, self._receive, self._gone)

    def _receive(self, message: Message, descriptors: list[int]) -> None:
        waiting = self._waiting.pop(message.get("id", 0), None)
        if waiting is not None and not waiting.done():
            waiting.set_result((message, descriptors))
            return
        close_all(descriptors)
        self._on_event(message)

    def _gone(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ChannelClosedError("the process at the other end is gone"))
        self._waiting.clear()
        self._on_close()

    def number(self) -> int:
        """A number for a request whose later events matter, so that none of them can be missed."""
        return next(self._numbers)

    async def request(
        self, op: str, descriptors: Sequence[int] = (), *, number: int | None = None, **fields: Any
    ) -> tuple[Message, list[int]]:
        """Send a request and wait for its reply. `OSError` with the other side's words when it refuses."""
        number = number or self.number()
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        self._channel.send({"op": op, "id": number, **fields}, descriptors)
        reply, received = await waiting
        if "error" in reply:
            close_all(received)
            raise OSError(reply["error"])
        return reply, received

    def post(self, op: str, **fields: Any) -> None:
        """Send something that is not answered."""
        self._channel.send({"op": op, **fields})

    def close(self) -> None:
        """Let go of the socket."""
        self._channel.close()


class LineConnection:
    """One client of a stream socket: a JSON object a line, with descriptors in between."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._descriptors: deque[int] = deque()

    async def receive(self) -> Message | None:
        """The next message; None when the client has gone. `ValueError` for what is not one."""
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > LINE_LIMIT or len(self._descriptors) > _DESCRIPTOR_LIMIT:
                raise ValueError("the request is too long")
            await self._ready(self._loop.add_reader, self._loop.remove_reader)
            try:
                data, ancillary, _, _ = self._socket.recvmsg(65536, _SPACE, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                return None
            self._descriptors.extend(_descriptors(ancillary))
            if not data:
                return None
            self._received += data
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("a request is a JSON object")
        return message

    def take(self, count: int) -> list[int]:
        """The next `count` descriptors the client sent; `ValueError` when there are fewer."""
        if len(self._descriptors) < count:
            raise ValueError(f"this request needs {count} file descriptors")
        return [self._descriptors.popleft() for _ in range(count)]

    async def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send a message; `ConnectionError` when the client has gone."""
        left = memoryview(json.dumps(message).encode() + b"\n")
        while left:
            try:
                sent = socket.send_fds(self._socket, [left], list(descriptors))
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)
                continue
            left, descriptors = left[sent:], ()

    async def _ready(self, add: Callable[..., None], remove: Callable[[socket.socket], bool]) -> None:
        ready = self._loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        add(self._socket, wake)
        try:
            await ready
        finally:
            remove(self._socket)

    def close(self) -> None:
        """Hang up."""
        close_all(self._descriptors)
        self._descriptors.clear()
        self._socket.close()
