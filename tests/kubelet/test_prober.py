"""One probe at a time, against real sockets: what it says in Go's words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from labs.kubelet.pod.model import Container, Grpc, HttpGet, TcpSocket
from labs.kubelet.prober import Outcome, ProbeError, probe

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
    result = await probe(nothing, "id", CONTAINER, action, "127.0.0.1", 2)
    return result.good, result.output


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("200 OK", (True, "fine")),
        ("302 Found", (True, "Probe terminated redirects, Response body: fine")),
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


def test_a_named_port_that_is_not_there_is_an_error_and_no_failure() -> None:
    with pytest.raises(ProbeError, match="couldn't find port: metrics"):
        asyncio.run(one(get("metrics")))


def test_redirects_on_the_same_host_are_followed() -> None:
    async def check() -> tuple[bool, str]:
        async with serving(b"HTTP/1.1 200 OK\r\n\r\nthere") as (port, asked):
            to = f"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:{port}/y?z=1\r\n\r\n"
            async with serving(to.encode()) as (first, _):
                result = await one(get(first))
            assert asked[0].startswith(b"GET /y?z=1 ")
            return result

    assert asyncio.run(check()) == (True, "there")


def test_a_redirect_to_another_host_is_a_success_with_a_warning() -> None:
    async def check() -> Outcome:
        answer = b"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere.invalid/\r\n\r\n"
        async with serving(answer) as (port, _):
            nothing: Any = None
            return (await probe(nothing, "id", CONTAINER, get(port), "127.0.0.1", 2)).outcome

    assert asyncio.run(check()) is Outcome.WARNING


class _Health(grpc.GenericRpcHandler):
    """A gRPC server's health service that answers with one status."""

    def __init__(self, status: int) -> None:
        self._status = status
        self.asked: list[bytes] = []

    def service(self, details: Any) -> Any:
        if details.method != "/grpc.health.v1.Health/Check":
            return None

        async def check(request: bytes, _: Any) -> bytes:
            self.asked.append(request)
            return bytes([8, self._status]) if self._status else b""

        return grpc.unary_unary_rpc_method_handler(check)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (1, (True, "service healthy")),
        (2, (False, 'service unhealthy (responded with "NOT_SERVING")')),
        (0, (False, 'service unhealthy (responded with "UNKNOWN")')),
    ],
)
def test_a_grpc_service_tells_its_health(status: int, expected: tuple[bool, str]) -> None:
    async def check() -> tuple[bool, str]:
        health = _Health(status)
        server = grpc.aio.server(handlers=[health])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        result = await one(Grpc(port, "web"))
        await server.stop(None)
        assert health.asked == [b"\x0a\x03web"]
        return result

    assert asyncio.run(check()) == expected


def test_a_grpc_server_without_health_says_so() -> None:
    async def check() -> tuple[bool, str]:
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        result = await one(Grpc(port, ""))
        await server.stop(None)
        return result

    good, output = asyncio.run(check())
    assert not good
    protocol = "the grpc health protocol (grpc.health.v1.Health)"
    assert output.startswith(f"error: this server does not implement {protocol}: ")
