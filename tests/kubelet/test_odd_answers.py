"""What a prober says of servers that answer oddly; recorded from a kubelet 1.36.2 against the same bytes."""

import asyncio
import socket
import struct
from typing import Any

import pytest

from labs.kubelet.pod.model import HttpGet
from labs.kubelet.prober import ProbeError, probe
from tests.kubelet.test_prober import CONTAINER, serving

GET = 'Get "http://127.0.0.1:PORT/x": '
BROKEN = GET + "net/http: HTTP/1.x transport connection broken: "
TO = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n"
WARNED = "Probe terminated redirects, Response body: "


async def asked(port: int, timeout: int = 2, scheme: str = "HTTP") -> tuple[str, str]:
    """What came of it, as events and the prober call it, and what is said."""
    nothing: Any = None
    action = HttpGet("/x", port, scheme, "", ())
    try:
        result = await probe(nothing, "id", CONTAINER, action, "127.0.0.1", timeout)
    except ProbeError as error:
        return f"errored: {error.state}", str(error).replace(str(port), "PORT")
    return result.outcome.value, result.output.replace(str(port), "PORT")


def answered(answer: bytes) -> tuple[str, str]:
    async def check() -> tuple[str, str]:
        async with serving(answer) as (port, _):
            return await asked(port)

    return asyncio.run(check())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", GET + "EOF"),
        (b"hello there\r\n\r\n", BROKEN + 'malformed HTTP status code "there"'),
        (b"\r\n\r\n", BROKEN + 'malformed HTTP response ""'),
        (b"\x15\x03\x01\x00\x02\x02\x16", BROKEN + r'malformed HTTP response "\x15\x03\x01\x00\x02\x02\x16"'),
        (b"HTTP/1.1 20 OK\r\n\r\n", BROKEN + 'malformed HTTP status code "20"'),
        (b"HTTP/1.1 2000 OK\r\n\r\n", BROKEN + 'malformed HTTP status code "2000"'),
        (b"HTTP/1.1 abc OK\r\n\r\n", BROKEN + 'malformed HTTP status code "abc"'),
        (b"HTTP/1.1 200 OK\r\n", BROKEN + "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", BROKEN + 'malformed MIME header: missing colon: "Content-Le"'),
        (
            b"HTTP/1.1 200 OK\r\nnocolon\r\n\r\nx",
            BROKEN + 'malformed MIME header: missing colon: "nocolon"',
        ),
        (b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", BROKEN + 'malformed MIME header line: ": x"'),
        (b"HTTP/1.1 200 OK\r\n A: x\r\n\r\n", BROKEN + 'malformed MIME header initial line: " A: x"'),
        (b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc", BROKEN + 'bad Content-Length "abc"'),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            BROKEN + 'http: message cannot contain multiple Content-Length headers; got ["3" "4"]',
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
            BROKEN + 'unsupported transfer encoding: "gzip"',
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
            GET + 'failed to parse Location header "http://[::1": parse "http://[::1": missing \']\' in host',
        ),
        # this one as `http.Transport` has it
        (
            b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            'Get "ftp://127.0.0.1/": unsupported protocol scheme "ftp"',
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: other\r\nContent-Length: 0\r\n\r\n",
            'Get "other": stopped after 10 redirects',
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
            "HTTP probe failed with statuscode: 503",
        ),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP probe failed with statuscode: 101"),
    ],
)
def test_an_answer_that_is_none_is_told_in_gos_words(answer: bytes, said: str) -> None:
    assert answered(answer) == ("failure", said)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\n\r\nabcdef",
        b"HTTP/2.0 200 OK\r\nContent-Length: 6\r\n\r\nabcdef and more",
        b"HTTP/0.9 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\nContent-Length: 6\n\nabcdef",
        b"HTTP/1.1 200 OK\r\nA B: x\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nA: x\r\n y\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nA: " + b"y" * 2_000_000 + b"\r\n\r\nabcdef",
    ],
)
def test_an_odd_answer_that_go_reads_is_read(answer: bytes) -> None:
    assert answered(answer) == ("success", "abcdef")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (TO + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef"),
        (TO + b"Content-Length: 20000\r\n\r\n" + b"x" * 20_000, "x" * 10_240),
        (TO + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        (TO + b"Content-Length: 3\r\n\r\n\xff\xfea", "\ufffd\ufffda"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://elsewhere/\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        (b"HTTP/1.1 304 Not Modified\r\nLocation: /y\r\n\r\nbody", ""),
    ],
)
def test_the_body_of_a_redirect_that_is_not_followed_is_shown(answer: bytes, body: str) -> None:
    assert answered(answer) == ("warning", WARNED + body)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabc", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", "invalid byte in chunk length"),
        # these two as `net/http/internal` has them
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", "malformed chunked encoding"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 17 + b"\r\n",
            "http chunk length too large",
        ),
    ],
)
def test_a_body_that_breaks_off_is_an_error_and_says_nothing_of_the_container(
    answer: bytes, said: str
) -> None:
    assert answered(answer) == ("errored: failure", said)


def _behaving(begins: bytes, *, resets: bool, timeout: int = 1) -> tuple[str, str, str]:
    """What comes of a server that begins so and then resets the connection or is silent; and who asked."""

    async def check() -> tuple[str, str, str]:
        asker: list[str] = []
        over = asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            host, port = writer.get_extra_info("peername")
            asker.append(f"{host}:{port}")
            writer.write(begins)
            await writer.drain()
            if resets:
                at_once = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                writer.transport.abort()
            else:
                await over.wait()
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            try:
                told, said = await asked(server.sockets[0].getsockname()[1], timeout)
            finally:
                over.set()
            return told, said, asker[0]

    return asyncio.run(check())


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
def test_a_head_that_does_not_come_is_a_failure(begins: bytes) -> None:
    told, said, _ = _behaving(begins, resets=False)

    why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert (told, said) == ("failure", GET + why)


def test_a_body_that_does_not_come_is_an_error() -> None:
    told, said, _ = _behaving(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", resets=False)

    why = "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
    assert (told, said) == ("errored: failure", why)


def test_a_connection_that_is_reset_is_told_with_both_of_its_ends() -> None:
    told, said, asker = _behaving(b"", resets=True)

    assert told == "failure"
    assert said == f"{GET}read tcp {asker}->127.0.0.1:PORT: read: connection reset by peer"
