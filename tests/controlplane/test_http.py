"""The HTTP server under clients that are not kubectl."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from pathlib import Path

import pytest

from labs.controlplane.http import Request, Response, serve
from labs.streaming.http import Connection

from . import pki
from .plane import Plane


def _raw(plane: Plane, data: bytes, *, user: str | None = "admin") -> bytes:
    """Bytes sent as they are; everything that comes back until the server closes."""
    context = ssl.create_default_context(cafile=str(plane.pki / "ca.crt"))
    if user:
        context.load_cert_chain(plane.pki / f"{user}.crt", plane.pki / f"{user}.key")
    with (
        socket.create_connection(("127.0.0.1", plane.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(data)
        received = b""
        while chunk := tls.recv(65536):
            received += chunk
        return received


def test_several_requests_on_one_connection_are_answered_in_order(plane: Plane) -> None:
    paths = ("/livez", "/version", "/readyz")
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths]
    requests[-1] = requests[-1].replace("Host: x", "Host: x\r\nConnection: close")

    answer = _raw(plane, "".join(requests).encode())

    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.index(b"gitVersion") > answer.index(b"\r\n\r\nok")
    assert answer.endswith(b"\r\n\r\nok")


def test_nonsense_is_a_bad_request(plane: Plane) -> None:
    assert b" 400 Bad Request\r\n" in _raw(plane, b"this is not http\r\n\r\n")


def test_plain_http_is_not_served(plane: Plane) -> None:
    with socket.create_connection(("127.0.0.1", plane.port), timeout=10) as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in plain.recv(100)


def test_a_body_that_is_too_long_is_refused(plane: Plane) -> None:
    status, answer = plane.request("POST", "/api/v1/namespaces", b"x" * (3 * 1024 * 1024 + 1))

    assert (status, answer["reason"]) == (413, "RequestEntityTooLarge")
    assert answer["message"] == "Request entity too large: limit is 3145728"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_object_is_a_bad_request(plane: Plane, body: bytes) -> None:
    assert plane.request("POST", "/api/v1/namespaces", body)[0] == 400


def test_an_unknown_format_is_refused(plane: Plane) -> None:
    status, answer = plane.request("POST", "/api/v1/namespaces", b"x", headers={"Content-Type": "text/plain"})

    assert (status, answer["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("body", [b"k8s\x00", b"k8s\x00\xff\xff\xff", b"k8s\x00\n\x04\n\x02v1", b"nope"])
def test_broken_protobuf_is_a_bad_request(plane: Plane, body: bytes) -> None:
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}

    assert plane.request("POST", "/api/v1/namespaces", body, headers=headers)[0] == 400


def test_yaml_is_read_too(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    headers = {"Content-Type": "application/yaml"}

    status, made = plane.request("POST", path, b"metadata: {name: app}\ndata: {a: b}\n", headers=headers)

    assert (status, made["data"]) == (201, {"a": "b"})


def test_only_what_can_be_sent_is_promised(plane: Plane) -> None:
    status, answer = plane.request("GET", "/api/v1/pods", headers={"Accept": "image/png"})

    assert (status, answer["reason"]) == (406, "NotAcceptable")


def test_a_continued_body_is_asked_for(plane: Plane, namespace: str) -> None:
    body = json.dumps({"metadata": {"name": "late"}}).encode()
    head = (
        f"POST /api/v1/namespaces/{namespace}/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: "
        "application/json\r\n"
        f"Expect: 100-continue\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    answer = _raw(plane, head.encode() + body)

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")


def test_an_answer_to_a_connection_that_is_being_closed_is_no_trouble(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pki.write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))

    def ask(listener: socket.socket) -> bytes:
        with (
            socket.create_connection(listener.getsockname(), timeout=10) as plain,
            trusted.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return tls.recv(100)

    async def scenario() -> bytes:
        async def handle(request: Request) -> Response:
            # closed by TLS, not yet by TCP: so it is for a moment when a client hangs up, too
            for each in server._connections.connections:
                assert each.transport is not None
                each.transport.close()
            return Response(200, b"late")

        listener = socket.create_server(("127.0.0.1", 0))
        server = await serve(handle, listener, context=context)
        answer = await asyncio.to_thread(ask, listener)
        await server.close(10)
        return answer

    answer = asyncio.run(asyncio.wait_for(scenario(), 30))

    assert answer == b""
    assert not caplog.records


def test_a_connection_that_is_taken_over_is_let_go_of_at_its_end() -> None:
    async def scenario() -> tuple[bytes, bytes]:
        async def echo(connection: Connection) -> None:
            connection.writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            connection.writer.write(await connection.reader.readexactly(5))
            await connection.writer.drain()

        async def handle(request: Request) -> Response:
            assert request.headers["x-stream-protocol-version"] == "v5, v4"
            return Response(101, takeover=echo)

        listener = socket.create_server(("127.0.0.1", 0))
        server = await serve(handle, listener, context=None)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        asked = ["POST / HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: SPDY/3.1"]
        asked += ["X-Stream-Protocol-Version: v5", "X-Stream-Protocol-Version: v4", "Content-Length: 0"]
        writer.write("\r\n".join([*asked, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"hello")
        rest = await reader.read()
        writer.close()
        await server.close(10)
        return head, rest

    head, rest = asyncio.run(asyncio.wait_for(scenario(), 30))

    assert (head.split()[1], rest) == (b"101", b"hello")


def test_a_port_that_closes_answers_what_has_begun_and_takes_nothing_new() -> None:
    async def scenario() -> tuple[bytes, list[str], type[Exception] | None]:
        begun, go_on, order = asyncio.Event(), asyncio.Event(), []

        async def handle(request: Request) -> Response:
            begun.set()
            await go_on.wait()
            order.append("answered")
            return Response(200, b"done")

        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        port = await serve(handle, listener, context=None)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await begun.wait()

        closing = asyncio.create_task(port.close(60))
        closing.add_done_callback(lambda _: order.append("closed"))
        await asyncio.sleep(0)
        refused: type[Exception] | None = None
        try:
            await asyncio.open_connection(*address)
        except ConnectionRefusedError as error:
            refused = type(error)
        go_on.set()
        await closing
        answer = await reader.read()
        writer.close()
        return answer, order, refused

    answer, order, refused = asyncio.run(scenario())

    assert answer.endswith(b"\r\n\r\ndone")
    assert order == ["answered", "closed"]
    assert refused is ConnectionRefusedError


def test_a_port_that_closes_does_not_wait_for_ever() -> None:
    async def scenario() -> None:
        begun = asyncio.Event()

        async def handle(request: Request) -> Response:
            begun.set()
            await asyncio.Event().wait()
            return Response(200)

        listener = socket.create_server(("127.0.0.1", 0))
        port = await serve(handle, listener, context=None)
        _, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()

        await port.close(0.05)
        writer.close()

    asyncio.run(scenario())


def test_a_port_that_has_closed_answers_nothing_more_on_connections_that_were_kept() -> None:
    async def scenario() -> tuple[bytes, bytes]:
        async def handle(request: Request) -> Response:
            return Response(200, b"done")

        listener = socket.create_server(("127.0.0.1", 0))
        port = await serve(handle, listener, context=None)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        first = await reader.readuntil(b"done")

        await port.close(10)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        rest = await reader.read()
        writer.close()
        return first, rest

    first, rest = asyncio.run(scenario())

    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest == b""
