"""Connections into a pod: many at once over one SPDY connection, plain or inside a WebSocket."""

from __future__ import annotations

import asyncio

import pytest

from labs.streaming import http, portforward, spdy, websocket
from labs.streaming.http import Connection, Request
from labs.streaming.portforward import PROTOCOL, Tunnel
from tests.streaming.harness import serving


async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A "pod" that echoes on every port but 81."""
    if port == 81:
        raise ConnectionRefusedError("connection refused")
    import socket

    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs)

    async def echo() -> None:
        while data := await reader.read(1 << 15):
            writer.write(f"{port}:".encode() + data)
            await writer.drain()
        writer.close()

    task = asyncio.create_task(echo())
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)
    return await asyncio.open_connection(sock=ours)


TASKS: set[asyncio.Task[None]] = set()


async def forward(request: Request, connection: Connection) -> None:
    await portforward.serve(request, connection, "web", dial)


async def connect(url: str, by: str) -> spdy.Connection:
    if by == "spdy":
        asked = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": PROTOCOL}
        connection, answered = await http.dial(url, "POST", asked)
        assert answered["x-stream-protocol-version"] == PROTOCOL
        return spdy.Connection(connection, client=True)
    key, headers = websocket.request_headers(f"SPDY/3.1+{PROTOCOL}")
    connection, answered = await http.dial(url, "GET", headers)
    websocket.check_answer(key, answered)
    tunnel = Tunnel(websocket.WebSocket(connection, client=True))
    return spdy.Connection(await tunnel.open(), client=True)


async def ask(pod: spdy.Connection, number: int, port: int, data: bytes) -> tuple[bytes, bytes]:
    """What a port answers, and what the server says of it."""
    headers = {"port": str(port), "requestid": str(number)}
    error = await pod.open({"streamtype": "error", **headers})
    await error.close()
    stream = await pod.open({"streamtype": "data", **headers})
    await stream.write(data)
    await stream.close()
    return await stream.read_all(), await error.read_all()


@pytest.mark.parametrize("by", ["spdy", "websocket"])
def test_many_connections_share_one_and_a_refused_one_says_why(by: str) -> None:
    async def scenario() -> list[tuple[bytes, bytes]]:
        async with serving(forward) as url:
            pod = await connect(url, by)
            answers = await asyncio.gather(*(ask(pod, port, port, b"hello") for port in (80, 81, 82)))
            again = await ask(pod, 7, 80, b"again")
            await pod.close()
            return [*answers, again]

    assert asyncio.run(scenario()) == [
        (b"80:hello", b""),
        (b"", b"error forwarding port 81 to pod web, uid : connection refused"),
        (b"82:hello", b""),
        (b"80:again", b""),
    ]
