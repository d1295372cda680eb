"""One probe at a time, against real sockets: what it says in Go's words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from labs.kubelet.pod.model import Container, HttpGet, TcpSocket
from labs.kubelet.prober import probe

CONTAINER = Container.of(
    {
        "name": "main",
        "image": "b",
        "imagePullPolicy": "Always",
        "resources": {},
        "terminationMessagePath": "",
        "terminationMessagePolicy": "File",
        "ports": [{"name": "web", "containerPort": 1}],
    }
)


@asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers everything with `answer`; its port, and what it was asked."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def get(port: int | str, path: str = "/x") -> HttpGet:
    return HttpGet(path, port, "HTTP", "", (("X-Own", "1"),))


async def one(action: Any) -> tuple[bool, str]:
    nothing: Any = None
    return await probe(nothing, "id", CONTAINER, action, "127.0.0.1", 2)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("200 OK", (True, "fine")),
        ("302 Found", (True, "fine")),
        ("403 Forbidden", (False, "HTTP probe failed with statuscode: 403")),
        ("503 Service Unavailable", (False, "HTTP probe failed with statuscode: 503")),
    ],
)
def test_http_status_decides(status: str, expected: tuple[bool, str]) -> None:
    async def check() -> tuple[bool, str]:
        async with serving(f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nfine".encode()) as (port, asked):
            result = await one(get(port))
            assert asked[0].startswith(b"GET /x HTTP/1.1\r\n")
            assert b"User-Agent: kube-probe/1.36\r\n" in asked[0]
            assert b"X-Own: 1\r\n" in asked[0]
            return result

    assert asyncio.run(check()) == expected


def free_port() -> int:
    async def find() -> int:
        async with serving(b"") as (port, _):
            return port

    return asyncio.run(find())


def test_nobody_listens() -> None:
    port = free_port()

    assert asyncio.run(one(get(port))) == (
        False,
        f'Get "http://127.0.0.1:{port}/x": dial tcp 127.0.0.1:{port}: connect: connection refused',
    )
    assert asyncio.run(one(TcpSocket(port, ""))) == (
        False,
        f"dial tcp 127.0.0.1:{port}: connect: connection refused",
    )


def test_a_connection_is_enough_for_tcp() -> None:
    async def check() -> tuple[bool, str]:
        async with serving(b"") as (port, _):
            return await one(TcpSocket(port, "localhost"))

    assert asyncio.run(check()) == (True, "")


def test_a_named_port_that_is_not_there_is_named() -> None:
    assert asyncio.run(one(get("metrics"))) == (False, "couldn't find port: metrics")
