"""A command's stdin, stdout, stderr, window size and status, over WebSocket or SPDY: the server's side.

Protocol versions: 5, 4 and 1 by WebSocket, 4 and below by SPDY. From 4 on the error stream holds a Status,
before it a sentence; from 3 on there is a stream of window sizes; 5 lets the client end stdin.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Collection
from typing import Any

from labs.streaming import http, spdy, websocket
from labs.streaming.errors import StreamingError
from labs.streaming.http import Connection, Request
from labs.streaming.stream import Stream

V5, V4, V3, V2, V1 = (*(f"v{number}.channel.k8s.io" for number in (5, 4, 3, 2)), "channel.k8s.io")
_BASE64 = {"v4.base64.channel.k8s.io": V4, "base64.channel.k8s.io": V1}
_BY_SPDY = (V4, V3, V2, V1)
_BY_WEBSOCKET = (V5, V4, V1, *_BASE64)

#: Channels of a WebSocket.
CHANNELS = ("stdin", "stdout", "stderr", "error", "resize")
#: Followed by a channel's number: the client sends no more on it.
CLOSE = 255
#: Seconds for a client to open the streams that it wants.
_PATIENCE = 30.0


def wanted(*, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> set[str]:
    """The streams of a command; a terminal has one output, and a size."""
    chosen = {"stdin": stdin, "stdout": stdout, "stderr": stderr and not tty, "resize": tty}
    return {"error", *(name for name, there in chosen.items() if there)}


class Session:
    """A client that is connected to a command."""

    def __init__(self, version: str, streams: dict[str, Stream], carrier: Any) -> None:
        self.version = version
        self.streams = streams
        self._carrier = carrier

    def get(self, name: str) -> Stream | None:
        """stdin, stdout, stderr or resize; None when the client did not ask for it."""
        return self.streams.get(name)

    async def sizes(self) -> AsyncIterator[tuple[int, int]]:
        """(rows, columns) of the client's window, each time it changes."""
        stream, text, decoder = self.streams.get("resize"), "", json.JSONDecoder()
        while stream is not None and (piece := await stream.read()):
            text += piece.decode("utf-8", "replace")
            while text := text.lstrip():
                try:
                    size, end = decoder.raw_decode(text)
                    yield int(size["Height"]), int(size["Width"])
                except (ValueError, KeyError, TypeError):
                    break  # not whole yet
                text = text[end:]

    async def wait_closed(self) -> None:
        """Until the client is gone."""
        await self._carrier.wait_closed()

    async def finish(self, status: dict[str, Any]) -> None:
        """End all streams and say how the command ended."""
        try:
            for name in ("stdout", "stderr"):
                if name in self.streams:
                    await self.streams[name].close()
            error = self.streams["error"]
            if self.version in (V5, V4):
                await error.write(json.dumps(status).encode())
            elif status["status"] != "Success":
                await error.write(status["message"].encode())
            await error.close()
        except ConnectionError:  # nobody is left to tell
            pass
        finally:
            await self._carrier.close()


async def accept(request: Request, connection: Connection, names: Collection[str]) -> Session | None:
    """Upgrade a request for the streams `names`; None when it was refused, and answered so.

    Raises `StreamingError` when the client opens other streams, or does not in time.
    """
    if request.upgrades_to("websocket"):
        return await _accept_websocket(request, connection, names)
    if request.upgrades_to(spdy.NAME):
        return await _accept_spdy(request, connection, names)
    await refuse(connection, 400, "unable to upgrade: missing upgrade headers in request")
    return None


async def refuse(connection: Connection, code: int, reason: str) -> None:
    """Answer a request that is not upgraded."""
    http.respond(connection.writer, code, {}, f"{reason}\n")
    await connection.close()


async def _accept_spdy(request: Request, connection: Connection, names: Collection[str]) -> Session | None:
    offered = request.tokens("x-stream-protocol-version")
    version = http.negotiate(offered, _BY_SPDY)
    if offered and version is None:
        await refuse(connection, 403, f"unable to upgrade: unable to negotiate protocol: {offered}")
        return None
    carrier = spdy.accept(request, connection, version)
    version = version or V1
    expected = set(names) - ({"resize"} if version in (V2, V1) else set())
    streams: dict[str, Stream] = {}
    try:
        async with asyncio.timeout(_PATIENCE):
            while expected - set(streams):
                stream = await carrier.next()
                if stream is None:
                    raise StreamingError("the client went before it had opened its streams")
                streams[stream.headers.get("streamtype", "")] = stream
    except TimeoutError:
        await carrier.close()
        raise StreamingError("timed out waiting for client to create streams") from None
    except StreamingError:
        await carrier.close()
        raise
    return Session(version, streams, carrier)


async def _accept_websocket(
    request: Request, connection: Connection, names: Collection[str]
) -> Session | None:
    offered = request.tokens("sec-websocket-protocol")
    protocol = http.negotiate(offered, _BY_WEBSOCKET)
    if offered and protocol is None:
        await refuse(connection, 403, f"unable to upgrade: unable to negotiate protocol: {offered}")
        return None
    socket = websocket.accept(request, connection, protocol)
    version = _BASE64.get(protocol or V1, protocol or V1)
    channels = Channels(socket, encoded=protocol in _BASE64)
    streams: dict[str, Stream] = {name: channels[name] for name in names}
    # the client learns that it is connected by an empty message
    first = next((name for name in ("stdout", "stderr") if name in names), "error")
    await streams[first].write(b"")
    return Session(version, streams, channels)


class ChannelStream(Stream):
    """One channel of a WebSocket: messages that begin with its number."""

    def __init__(self, channels: "Channels", number: int) -> None:
        super().__init__()
        self._channels = channels
        self._number = number

    async def write(self, data: bytes) -> None:
        await self._channels.send(self._number, data)

    async def close(self) -> None:
        """A server cannot; a client may, in version 5: see `Channels.send_close`."""


class Channels:
    """The five channels of a WebSocket, `encoded` in base64 or not."""

    def __init__(self, socket: websocket.WebSocket, *, encoded: bool = False) -> None:
        self._socket = socket
        self._encoded = encoded
        self._streams = [ChannelStream(self, number) for number in range(len(CHANNELS))]
        self._receiving = asyncio.create_task(self._receive())

    def __getitem__(self, name: str) -> ChannelStream:
        return self._streams[CHANNELS.index(name)]

    async def send(self, number: int, data: bytes) -> None:
        if self._encoded:
            await self._socket.send(str(number).encode() + base64.b64encode(data), text=True)
        else:
            await self._socket.send(bytes([number]) + data)

    async def send_close(self, number: int) -> None:
        """Say that nothing more is sent on a channel."""
        await self._socket.send(bytes([CLOSE, number]))

    async def wait_closed(self) -> None:
        await asyncio.shield(self._receiving)

    async def close(self) -> None:
        self._receiving.cancel()
        await asyncio.wait([self._receiving])
        await self._socket.close()

    async def _receive(self) -> None:
        try:
            while (message := await self._socket.receive()) is not None:
                await self._put(message.data)
        except (ConnectionError, ValueError):
            pass  # gone, or not to be understood: its streams end
        finally:
            for stream in self._streams:
                stream.inbox.end()

    async def _put(self, data: bytes) -> None:
        if not data:
            return
        number = data[0] - ord("0") if self._encoded else data[0]
        if number == CLOSE and len(data) == 2 and data[1] < len(CHANNELS):
            self._streams[data[1]].inbox.end()
        elif 0 <= number < len(CHANNELS):
            rest = base64.b64decode(data[1:]) if self._encoded else data[1:]
            await self._streams[number].inbox.put(rest)
