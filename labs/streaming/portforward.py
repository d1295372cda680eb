"""Connections to ports of a pod: the server's side, by SPDY, and by SPDY inside a WebSocket.

For each connection the client opens two streams with the same `requestid`: one for data, one on which the
server says what went wrong. Clients since Kubernetes 1.31 tunnel all of it through a WebSocket.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from labs.streaming import http, spdy, websocket
from labs.streaming.http import Connection, Request
from labs.streaming.remotecommand import refuse
from labs.streaming.stream import copy

PROTOCOL = "portforward.k8s.io"
#: The same inside a WebSocket.
TUNNELED = f"{spdy.NAME}+{PROTOCOL}"
#: Seconds between the two streams of a connection.
_PATIENCE = 30.0

#: Connects to a port of the pod; `OSError` when that fails.
Dialer = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def serve(request: Request, connection: Connection, pod: str, dial: Dialer) -> None:
    """Forward what a client sends to the ports of `pod` that it names, until it goes."""
    if request.upgrades_to("websocket"):
        offered = request.tokens("sec-websocket-protocol")
        chosen = http.negotiate(offered, [TUNNELED])
        if chosen is None:
            await refuse(connection, 403, f"unable to upgrade: unable to negotiate protocol: {offered}")
            return
        tunnel = Tunnel(websocket.accept(request, connection, chosen))
        carrier = spdy.Connection(await tunnel.open(), client=False)
    elif request.upgrades_to(spdy.NAME):
        offered = request.tokens("x-stream-protocol-version")
        chosen = http.negotiate(offered, [PROTOCOL])
        if offered and chosen is None:
            await refuse(connection, 403, f"unable to upgrade: unable to negotiate protocol: {offered}")
            return
        carrier = spdy.accept(request, connection, chosen)
    else:
        await refuse(connection, 400, "unable to upgrade: missing upgrade headers in request")
        return
    await _serve(carrier, pod, dial)


async def _serve(carrier: spdy.Connection, pod: str, dial: Dialer) -> None:
    halves: dict[str, spdy.SpdyStream] = {}
    async with asyncio.TaskGroup() as forwards:
        while (stream := await carrier.next()) is not None:
            number = stream.headers.get("requestid", str((stream.number + 1) // 4))
            other = halves.pop(number, None)
            if other is None:
                halves[number] = stream
                continue
            data, error = (stream, other) if stream.headers.get("streamtype") == "data" else (other, stream)
            forwards.create_task(_forward(data, error, pod, dial))
        for half in halves.values():
            half.abandoned()
    await carrier.close()


async def _forward(data: spdy.SpdyStream, error: spdy.SpdyStream, pod: str, dial: Dialer) -> None:
    port = data.headers.get("port", "")
    try:
        reader, writer = await dial(int(port))
    except (OSError, ValueError) as failure:
        await _say(error, f"error forwarding port {port} to pod {pod}, uid : {failure}")
        await data.reset()
        return
    try:
        towards = asyncio.create_task(copy(data, writer))
        try:
            await copy(reader, data)
        finally:
            towards.cancel()
            await asyncio.wait([towards])
    except OSError:  # one of the two is gone
        pass
    finally:
        writer.close()
        await _say(error, "")


async def _say(error: spdy.SpdyStream, message: str) -> None:
    try:
        await error.write(message.encode())
        await error.close()
    except OSError:  # nobody is left to tell
        return


class Tunnel:
    """A WebSocket as the wire of another protocol: a connection whose other end we pass on as messages."""

    def __init__(self, carrier: websocket.WebSocket) -> None:
        self._socket = carrier
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> Connection:
        """The wire. It ends with the WebSocket, and the WebSocket with it."""
        ours, theirs = socket.socketpair()
        near = Connection(*await asyncio.open_connection(sock=theirs), carrier=self)
        far = Connection(*await asyncio.open_connection(sock=ours))
        self._tasks = [asyncio.create_task(self._inwards(far)), asyncio.create_task(self._outwards(far))]
        return near

    async def _inwards(self, far: Connection) -> None:
        try:
            while (message := await self._socket.receive()) is not None:
                far.writer.write(message.data)
                await far.writer.drain()
        except OSError:  # the wire was closed
            return
        finally:
            far.writer.close()

    async def _outwards(self, far: Connection) -> None:
        try:
            while data := await far.reader.read(1 << 15):
                await self._socket.send(data)
        except OSError:  # the client is gone
            return
        finally:
            await self._socket.close()
