"""One probe at a time, against real sockets: what it says in Go's words."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from cri_api.v1 import api_pb2 as api

from labs.kubelet.cri import CriError
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Container, Exec, Grpc, HttpGet, TcpSocket
from labs.kubelet.prober import Outcome, ProbeError, port_of, probe
from tests.kubelet.node import manifest
from tests.kubelet.virtual_time import virtual
from tests.ports import free_port

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
        ("299 Odd", (True, "fine")),
        ("300 Multiple Choices", (True, "Probe terminated redirects, Response body: fine")),
        ("302 Found", (True, "Probe terminated redirects, Response body: fine")),
        ("399 Odd", (True, "Probe terminated redirects, Response body: fine")),
        ("400 Bad Request", (False, "HTTP probe failed with statuscode: 400")),
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
        self.agent = ""

    def service(self, details: Any) -> Any:
        if details.method != "/grpc.health.v1.Health/Check":
            return None

        async def check(request: bytes, context: Any) -> bytes:
            self.asked.append(request)
            self.agent = dict(context.invocation_metadata())["user-agent"]
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
        assert health.agent.startswith("kube-probe/1.36 ")
        return result

    assert asyncio.run(check()) == expected


def test_a_grpc_probe_without_a_service_asks_for_none() -> None:
    async def check() -> list[bytes]:
        health = _Health(1)
        server = grpc.aio.server(handlers=[health])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        await one(Grpc(port, ""))
        await server.stop(None)
        return health.asked

    assert asyncio.run(check()) == [b""]


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


class _Commands:
    """A runtime whose commands print and end as they are told."""

    def __init__(
        self, code: int = 0, out: bytes = b"", err: bytes = b"", error: CriError | None = None
    ) -> None:
        self._reply = api.ExecSyncResponse(stdout=out, stderr=err, exit_code=code)
        self._error = error
        self.asked: list[tuple[str, tuple[str, ...], int]] = []

    async def exec_sync(self, container: str, command: tuple[str, ...], timeout: int) -> api.ExecSyncResponse:
        self.asked.append((container, command, timeout))
        if self._error is not None:
            raise self._error
        return self._reply


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        (_Commands(0, b"fine"), (True, "fine")),
        (_Commands(1, b"out ", b"err"), (False, "out err")),
        (_Commands(-1, b"\xff"), (False, "\N{REPLACEMENT CHARACTER}")),
        (_Commands(0, b"x" * 20_000), (True, "x" * 10_240)),
        (
            _Commands(error=CriError("DeadlineExceeded", "late")),
            (False, 'command timed out: "sh -c true" timed out after 2s'),
        ),
    ],
)
def test_a_command_tells_by_its_exit_status(runtime: _Commands, expected: tuple[bool, str]) -> None:
    command = ("sh", "-c", "true")

    result = asyncio.run(probe(runtime, "id", CONTAINER, Exec(command), "", 2))

    assert (result.good, result.output) == expected
    assert runtime.asked == [("id", command, 2)]


def test_a_command_that_cannot_be_run_says_nothing_of_the_container() -> None:
    runtime = _Commands(error=CriError("NotFound", "no such container"))

    with pytest.raises(ProbeError, match="no such container"):
        asyncio.run(probe(runtime, "id", CONTAINER, Exec(("true",)), "", 2))


async def _answered(answer: bytes, action: HttpGet | None = None) -> tuple[tuple[bool, str], bytes, int]:
    """What a server with this answer makes of a probe, what it was asked, and its port."""
    async with serving(answer) as (port, asked):
        result = await one(replace(action, port=port) if action else get(port))
        return result, asked[0], port


def test_the_actions_own_host_is_asked_instead_of_the_pod() -> None:
    (good, output), _, _ = asyncio.run(
        _answered(b"HTTP/1.1 200 OK\r\n\r\nhere", HttpGet("/", 0, "HTTP", "localhost", ()))
    )

    assert (good, output) == (True, "here")


@pytest.mark.parametrize(("status", "good"), [(200, True), (399, True), (400, False), (100, False)])
def test_from_200_to_399_is_well(status: int, good: bool) -> None:
    result, _, _ = asyncio.run(_answered(f"HTTP/1.1 {status} X\r\n\r\n".encode()))

    assert result[0] is good


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            grpc.StatusCode.UNAVAILABLE,
            "error: health rpc probe failed: rpc error: code = Unavailable desc = no",
        ),
        (
            grpc.StatusCode.PERMISSION_DENIED,
            "error: health rpc probe failed: rpc error: code = PermissionDenied desc = no",
        ),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "timeout: health rpc did not complete within 2s"),
        (
            grpc.StatusCode.UNIMPLEMENTED,
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no",
        ),
    ],
)
def test_a_grpc_call_that_fails_is_told_in_gos_words(code: grpc.StatusCode, said: str) -> None:
    class Failing(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            async def check(_: bytes, context: Any) -> bytes:
                await context.abort(code, "no")
                return b""

            return grpc.unary_unary_rpc_method_handler(check)

    async def check() -> tuple[bool, str]:
        server = grpc.aio.server(handlers=[Failing()])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        result = await one(Grpc(port, ""))
        await server.stop(None)
        return result

    assert asyncio.run(check()) == (False, said)


def test_a_grpc_call_that_nobody_answers_is_given_up() -> None:
    class Silent(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            async def check(_: bytes, context: Any) -> bytes:
                await asyncio.sleep(60)
                return b""

            return grpc.unary_unary_rpc_method_handler(check)

    async def check() -> tuple[bool, str]:
        server = grpc.aio.server(handlers=[Silent()])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        nothing: Any = None
        asked = probe(nothing, "id", CONTAINER, Grpc(port, ""), "127.0.0.1", 1)
        result = await asyncio.wait_for(asked, 30)
        await server.stop(None)
        return result.good, result.output

    assert asyncio.run(check()) == (False, "timeout: health rpc did not complete within 1s")


def test_where_no_grpc_server_is_the_connection_is_waited_for() -> None:
    async def check(port: int) -> tuple[bool, str]:
        nothing: Any = None
        result = await probe(nothing, "id", CONTAINER, Grpc(port, ""), "127.0.0.1", 1)
        return result.good, result.output

    port = free_port()
    why = f'timeout: failed to connect service "127.0.0.1:{port}" within 1s: context deadline exceeded'
    assert asyncio.run(check(port)) == (False, why)


@pytest.mark.parametrize(("port", "number"), [(80, 80), ("web", 8080), ("443", 443)])
def test_a_port_is_a_number_a_name_or_the_digits_of_one(port: int | str, number: int) -> None:
    container = replace(
        CONTAINER, ports=({"name": "dns", "containerPort": 53}, {"name": "web", "containerPort": 8080})
    )

    assert port_of(port, container) == number


@pytest.mark.parametrize(
    ("written", "action"),
    [
        ({"httpGet": {"port": 80}}, HttpGet("/", 80, "HTTP", "", ())),
        (
            {
                "httpGet": {
                    "port": "web",
                    "path": "/z",
                    "scheme": "HTTPS",
                    "host": "h",
                    "httpHeaders": [{"name": "A", "value": "1"}, {"name": "B"}],
                }
            },
            HttpGet("/z", "web", "HTTPS", "h", (("A", "1"), ("B", ""))),
        ),
        ({"tcpSocket": {"port": 1}}, TcpSocket(1, "")),
        ({"tcpSocket": {"port": "p", "host": "h"}}, TcpSocket("p", "h")),
        ({"grpc": {"port": 1}}, Grpc(1, "")),
        ({"grpc": {"port": 1, "service": "s"}}, Grpc(1, "s")),
        ({"exec": {"command": ["a", "b"]}}, Exec(("a", "b"))),
    ],
)
def test_what_a_probe_does_is_as_the_manifest_says(written: dict[str, Any], action: object) -> None:
    timing = {"initialDelaySeconds": 1, "timeoutSeconds": 2, "periodSeconds": 3, "failureThreshold": 4}
    for kind, thresholds in (("liveness", {}), ("readiness", {"successThreshold": 5})):
        given = manifest(container={f"{kind}Probe": {**written, **timing, **thresholds}})
        container = pod_from_file(json.dumps(given).encode(), "/m/web.yaml", "n").containers[0]

        found = container.probe(kind)

        assert found is not None
        assert (found.kind, found.action) == (kind, action)
        numbers = (found.initial_delay, found.timeout, found.period, found.failure_threshold)
        assert (*numbers, found.success_threshold) == (1, 2, 3, 4, 5 if thresholds else 1)
        assert container.probe("startup") is None


def test_a_server_that_speaks_no_tls_is_told_in_gos_words() -> None:
    async def check() -> tuple[tuple[bool, str], int]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await one(replace(get(port), scheme="HTTPS")), port

    result, port = asyncio.run(check())

    why = "http: server gave HTTP response to HTTPS client"
    assert result == (False, f'Get "https://127.0.0.1:{port}/x": {why}')


@virtual
async def test_a_connection_that_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unanswered(host: str, port: int, **_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", unanswered)
    loop = asyncio.get_running_loop()

    assert await one(TcpSocket(81, "10.9.9.9")) == (False, "dial tcp 10.9.9.9:81: i/o timeout")
    assert loop.time() == 2
