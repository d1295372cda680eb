"""WebSocket (RFC 6455) without extensions: messages over an upgraded connection, on both sides."""

import asyncio
import base64
import hashlib
import os
import struct
from contextlib import suppress
from dataclasses import dataclass

from labs.streaming.errors import StreamingError
from labs.streaming.http import Connection, Headers, Request, respond

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, TEXT, BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_NORMAL, _PROTOCOL_ERROR, _TOO_BIG = 1000, 1002, 1009
#: No client of Kubernetes sends longer ones than 32 KB.
_MESSAGE_MAX = 1 << 20
#: Seconds for the other side to close, too.
_FAREWELL = 5.0


@dataclass(frozen=True)
class Message:
    """A whole message."""

    data: bytes
    text: bool = False


def accept_key(key: str) -> str:
    """What a server answers to a client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def accept(request: Request, connection: Connection, protocol: str | None) -> "WebSocket":
    """Upgrade a request on the server's side, having chosen a subprotocol."""
    key = request.headers.get("sec-websocket-key", "")
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_key(key)}
    if protocol:
        headers["Sec-WebSocket-Protocol"] = protocol
    respond(connection.writer, 101, headers)
    return WebSocket(connection, client=False)


def request_headers(*protocols: str) -> tuple[str, Headers]:
    """A client's key, and the headers that ask for one of `protocols`."""
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    return key, headers | {"Sec-WebSocket-Protocol": ", ".join(protocols)}


def check_answer(key: str, answered: Headers) -> None:
    """The client's look at a server's answer."""
    if answered.get("sec-websocket-accept") != accept_key(key):
        raise StreamingError("the server does not speak WebSocket: its Sec-WebSocket-Accept is wrong")


class WebSocket:
    """An open WebSocket. One task receives; any may send."""

    def __init__(self, connection: Connection, *, client: bool) -> None:
        self._reader = connection.reader
        self._writer = connection.writer
        self._connection = connection
        self._client = client
        self._close_sent = False
        self._close_received = False

    async def receive(self) -> Message | None:
        """The next message; None when the other side has closed, or has gone."""
        pieces: list[bytes] = []
        text = False
        while True:
            frame = await self._frame()
            if frame is None:
                return None
            final, kind, data = frame
            if kind == _PING:
                await self._send(_PONG, data)
            elif kind == _CLOSE:
                self._close_received = True
                await self._send_close(data[:2])
                return None
            elif kind in (TEXT, BINARY, _CONTINUATION):
                if kind != _CONTINUATION:
                    pieces, text = [], kind == TEXT
                pieces.append(data)
                if sum(map(len, pieces)) > _MESSAGE_MAX:
                    await self._send_close(struct.pack("!H", _TOO_BIG))
                    return None
                if final:
                    return Message(b"".join(pieces), text)

    async def _frame(self) -> tuple[bool, int, bytes] | None:
        try:
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
            if size > _MESSAGE_MAX:
                await self._send_close(struct.pack("!H", _TOO_BIG))
                return None
            masked = bool(second & 0x80)
            if first & 0x70 or masked == self._client:  # an extension; servers never mask, clients always
                await self._send_close(struct.pack("!H", _PROTOCOL_ERROR))
                return None
            mask = await self._reader.readexactly(4) if masked else b""
            data = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            return None
        return bool(first & 0x80), first & 0x0F, _masked(data, mask) if masked else data

    async def send(self, data: bytes, *, text: bool = False) -> None:
        """Send a message; `ConnectionError` when the other side is gone."""
        await self._send(TEXT if text else BINARY, data)

    async def ping(self) -> None:
        """Keep what is between the two sides awake."""
        await self._send(_PING, b"")

    async def _send(self, kind: int, data: bytes) -> None:
        if self._close_sent:
            raise ConnectionResetError("the WebSocket is closed")
        size, mask_bit = len(data), 0x80 if self._client else 0
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, mask_bit | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, mask_bit | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, mask_bit | 127, size)
        if self._client:
            mask = os.urandom(4)
            head, data = head + mask, _masked(data, mask)
        self._writer.write(head + data)
        await self._writer.drain()

    async def _send_close(self, code: bytes) -> None:
        if not self._close_sent:
            with suppress(OSError):  # it is closed all the same
                await self._send(_CLOSE, code)
            self._close_sent = True

    async def close(self) -> None:
        """Say goodbye, wait for the other side to do so, and close; the server closes first.

        Closing with something unread would take from the other side what was sent.
        """
        await self._send_close(struct.pack("!H", _NORMAL))
        with suppress(TimeoutError, OSError, RuntimeError):  # silent, gone, or still being read by a task
            async with asyncio.timeout(_FAREWELL):
                while not self._close_received and await self.receive() is not None:
                    pass
                while self._client and await self._reader.read(1 << 16):
                    pass
        await self._connection.close()


def _masked(data: bytes, mask: bytes) -> bytes:
    """XOR with the mask, over and over, as one large number."""
    size = len(data)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
