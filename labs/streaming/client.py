"""The client's side of a command's streams: by WebSocket version 5 or SPDY version 4."""

import asyncio
import json
import ssl
from collections.abc import Collection
from typing import Any

from labs.streaming import http, remotecommand, spdy, websocket
from labs.streaming.http import Headers
from labs.streaming.remotecommand import CHANNELS, V4, V5, Channels
from labs.streaming.status import exit_code
from labs.streaming.stream import Stream

#: What some servers and balancers between need to keep an idle connection open, in seconds.
_PING_PERIOD = 5.0


class RemoteCommand:
    """A command that runs elsewhere: its streams by name, and how it ended."""

    def __init__(self, streams: dict[str, Stream], carrier: Any) -> None:
        self.streams = streams
        self._carrier = carrier

    async def resize(self, rows: int, columns: int) -> None:
        """Tell the command the size of our window."""
        await self.streams["resize"].write(json.dumps({"Width": columns, "Height": rows}).encode())

    async def close_stdin(self) -> None:
        """Let the command read to the end of its input."""
        await self.streams["stdin"].close()

    async def result(self) -> tuple[int, str]:
        """Exit code, and the server's sentence when it is not 0; all output should have been read."""
        return exit_code(await self.streams["error"].read_all())

    async def close(self) -> None:
        await self._carrier.close()


async def connect(
    url: str,
    names: Collection[str],
    *,
    by: str = "websocket",
    headers: Headers | None = None,
    tls: ssl.SSLContext | None = None,
    version: str | None = None,
) -> RemoteCommand:
    """Connect to the streams `names` (see `remotecommand.wanted`) of the command at `url`."""
    if by == "websocket":
        return await _by_websocket(url, names, dict(headers or {}), tls, version or V5)
    return await _by_spdy(url, names, dict(headers or {}), tls, version or V4)


async def _by_websocket(
    url: str, names: Collection[str], headers: dict[str, str], tls: ssl.SSLContext | None, version: str
) -> RemoteCommand:
    key, asked = websocket.request_headers(version)
    connection, answered = await http.dial(url, "GET", {**headers, **asked}, tls=tls)
    websocket.check_answer(key, answered)
    channels = _ClientChannels(websocket.WebSocket(connection, client=True), version)
    return RemoteCommand({name: channels[name] for name in names}, channels)


async def _by_spdy(
    url: str, names: Collection[str], headers: dict[str, str], tls: ssl.SSLContext | None, version: str
) -> RemoteCommand:
    asked = {"Upgrade": spdy.NAME, "X-Stream-Protocol-Version": version, "Content-Length": "0"}
    connection, _ = await http.dial(url, "POST", {**headers, **asked}, tls=tls)
    carrier = spdy.Connection(connection, client=True)
    streams: dict[str, Stream] = {}
    for name in sorted(names, key=["error", *CHANNELS].index):
        streams[name] = await carrier.open({"streamtype": name})
    await streams["error"].close()  # only the server writes there
    return RemoteCommand(streams, carrier)


class _ClientChannels(Channels):
    def __init__(self, socket: websocket.WebSocket, version: str) -> None:
        super().__init__(socket)
        self._pinging = asyncio.create_task(self._ping())
        if version == V5:
            for number in range(len(CHANNELS)):
                self._streams[number] = _ClientStream(self, number)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_PERIOD)
            try:
                await self._socket.ping()
            except ConnectionError:  # found out by whoever reads
                return

    async def close(self) -> None:
        self._pinging.cancel()
        await super().close()


class _ClientStream(remotecommand.ChannelStream):
    async def close(self) -> None:
        await self._channels.send_close(self._number)
