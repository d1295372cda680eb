"""Connections that begin oddly; answers and log lines are those that a kubelet 1.36.2 was seen to give."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any, TypeVar

import pytest

from labs.golang import tlsserver
from labs.golang.tlsserver import TLSServer
from labs.nodes.pki import SERVER, Authority

from .test_clienthello import MODERN

HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
IS_HTTP = "client sent an HTTP request to an HTTPS server"
NO_TLS = "tls: first record does not look like a TLS handshake"
PROTOCOL_VERSION = bytes((21, 3, 1, 0, 2, 2, 70))
SECONDS = 10
T = TypeVar("T")


class Served:
    """A server that says `hello` to each client and closes the connection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: Queue[str] = Queue()
        self.loop = asyncio.new_event_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = listener.getsockname()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(folder / "server.crt", folder / "server.key")

        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            writer.close()

        async def serve() -> TLSServer:
            return TLSServer(tlsserver.streams(greet, 1 << 16), listener, context, self.log.put)

        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.server = self.on_the_loop(serve())

    def on_the_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=SECONDS)

    def told(self, client: tuple[str, int]) -> str:
        """What the log says next, which must be of this client."""
        line = self.log.get(timeout=SECONDS)
        begin = f"http: TLS handshake error from {client[0]}:{client[1]}: "
        assert line.startswith(begin), line
        return line.removeprefix(begin)

    def greets(self, context: ssl.SSLContext | None = None) -> bool:
        """Whether an ordinary client is served."""
        trusting = context or ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        with self.connect() as plain, trusting.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            return everything(client) == b"hello"

    def stop(self) -> None:
        async def close() -> None:
            self.server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others, return_exceptions=True)

        self.on_the_loop(close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    authority = Authority.create("kubernetes")
    authority.write(tmp_path, "ca")
    authority.issue("server", [SERVER], alternative_names=["127.0.0.1"]).write(tmp_path, "server")
    server = Served(tmp_path)
    yield server
    server.stop()


def everything(connection: socket.socket) -> bytes:
    """What comes until the other end closes."""
    received = b""
    while chunk := connection.recv(1 << 16):
        received += chunk
    return received


@pytest.mark.parametrize(
    ("opening", "answer", "told"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", HTTP, IS_HTTP),
        (b"HEAD / HTTP/1.1\r\n\r\n", HTTP, IS_HTTP),
        (b"POST / HTTP/1.1\r\n\r\n", HTTP, IS_HTTP),
        (b"PUT / HTTP/1.1\r\n\r\n", HTTP, IS_HTTP),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", HTTP, IS_HTTP),
        (b"GET /", HTTP, IS_HTTP),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", b"", NO_TLS),
        (b"DELETE / HTTP/1.1\r\n\r\n", b"", NO_TLS),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"", NO_TLS),
        (b"hello\n", b"", NO_TLS),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"", NO_TLS),
        (bytes(20), b"", NO_TLS),
        (b"\x17\x03\x03\x00\x05hello", b"", NO_TLS),
        (b"\x16\x13\x01\x00\x05hello", b"", NO_TLS),
        (b"\x80\x2e\x01\x03\x01" + bytes(43), PROTOCOL_VERSION, "tls: unsupported SSLv2 handshake received"),
    ],
)
def test_what_is_no_tls_is_told_so(served: Served, opening: bytes, answer: bytes, told: str) -> None:
    with served.connect() as client:
        client.sendall(opening)

        assert everything(client) == answer
        assert served.told(client.getsockname()) == told


def test_a_request_that_comes_in_pieces_is_known_all_the_same(served: Served) -> None:
    with served.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(b"GET")
        assert served.greets()  # so the piece has been looked at
        client.sendall(b" / HTTP/1.1\r\n\r\n")

        assert everything(client) == HTTP
        assert served.told(client.getsockname()) == IS_HTTP


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        (b"", "EOF"),
        (b"G", "unexpected EOF"),
        (b"\x16\x03\x01", "unexpected EOF"),
        pytest.param(MODERN[:100], "unexpected EOF", id="part of a hello"),
        pytest.param(MODERN, "EOF", id="hello"),
    ],
)
def test_a_client_that_goes_too_early_is_told_of(served: Served, opening: bytes, told: str) -> None:
    with served.connect() as client:
        client.sendall(opening)
        client.shutdown(socket.SHUT_WR)
        everything(client)

        assert served.told(client.getsockname()) == told


@pytest.mark.parametrize("opening", [b"", MODERN[:100]], ids=["nothing", "part of a hello"])
def test_a_connection_that_is_reset_is_told_of(served: Served, opening: bytes) -> None:
    client = served.connect()
    ours = client.getsockname()
    client.sendall(opening)
    assert served.greets()  # so the opening has been looked at
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()

    server = f"{served.address[0]}:{served.address[1]}"
    assert served.told(ours) == f"read tcp {server}->{ours[0]}:{ours[1]}: read: connection reset by peer"


def test_a_client_that_stays_silent_keeps_nobody_else_waiting(served: Served) -> None:
    with served.connect(), served.connect():
        assert served.greets()


def _only(version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("client", "reason", "told"),
    [
        (
            lambda: _only(ssl.TLSVersion.TLSv1_1),
            "TLSV1_ALERT_PROTOCOL_VERSION",
            "tls: client offered only unsupported versions: [302 301]",
        ),
        (
            lambda: _only(ssl.TLSVersion.TLSv1_2, "AES128-SHA"),
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "tls: no cipher suite supported by both client and server; client offered: [2f ff]",
        ),
        (
            ssl.create_default_context,
            "CERTIFICATE_VERIFY_FAILED",
            "remote error: tls: unknown certificate authority",
        ),
    ],
)
def test_a_handshake_that_fails_tells_both_ends_why(
    served: Served, client: Callable[[], ssl.SSLContext], reason: str, told: str
) -> None:
    with served.connect() as plain:
        ours = plain.getsockname()
        with pytest.raises(ssl.SSLError) as failed:
            client().wrap_socket(plain, server_hostname="127.0.0.1")

        assert failed.value.reason == reason
        assert served.told(ours) == told


@contextmanager
def _no_more_files() -> Iterator[None]:
    """The process can open nothing until this ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as highest:
        lowest_free = highest.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_that_can_open_nothing_more_serves_again_when_it_can(served: Served) -> None:
    trusting = ssl.create_default_context(cafile=str(served.folder / "ca.crt"))
    assert served.greets(trusting)
    plain = socket.socket()
    plain.settimeout(SECONDS)

    with _no_more_files():
        plain.connect(served.address)
        line = served.log.get(timeout=SECONDS)

    host, port = served.address
    assert line == (
        f"http: Accept error: accept tcp {host}:{port}: accept4: too many open files; retrying in 1s"
    )
    with trusting.wrap_socket(plain, server_hostname="127.0.0.1") as client:
        assert everything(client) == b"hello"


def test_a_server_that_is_closed_takes_nobody_and_drops_whom_it_had_not_greeted(served: Served) -> None:
    with served.connect() as waiting:
        assert served.greets()
        served.loop.call_soon_threadsafe(served.server.close)

        assert everything(waiting) == b""
        with pytest.raises(ConnectionRefusedError):
            served.connect()


def test_components_leave_failed_handshakes_out_of_their_logs(capfd: pytest.CaptureFixture[str]) -> None:
    tlsserver.without_handshakes("http: TLS handshake error from 127.0.0.1:1: EOF")
    tlsserver.without_handshakes("http: Accept error: too many open files; retrying in 1s")

    assert capfd.readouterr().err == "http: Accept error: too many open files; retrying in 1s\n"
