"""Bytes as other clients send them: what WebSocket and SPDY look like, and what breaks them."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.streaming import spdy, status
from labs.streaming.http import Connection
from labs.streaming.remotecommand import Session
from labs.streaming.websocket import WebSocket, accept_key
from tests.streaming.harness import running


async def echo(session: Session) -> None:
    """Prints what comes first on stdin."""
    stdin, stdout = session.get("stdin"), session.get("stdout")
    assert stdin is not None
    assert stdout is not None
    await stdout.write(await stdin.read())
    await session.finish(status.success())


async def talk(url: str, head: str, *pieces: bytes) -> bytes:
    """Send a request and what follows; all that comes back until the server closes, or says so."""
    port = int(url.split(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.replace("\n", "\r\n").encode())
    for piece in pieces:
        writer.write(piece)
    answer = b""
    while b"\x88\x02" not in answer and (piece := await reader.read(4096)):
        answer += piece
    writer.close()
    return answer


def frame(kind: int, data: bytes, *, final: bool = True, mask: bytes = b"\1\2\3\4") -> bytes:
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    return struct.pack("!BB", (0x80 if final else 0) | kind, 0x80 | len(data)) + mask + masked


WEBSOCKET = """GET /exec HTTP/1.1
Host: localhost
Connection: keep-alive, Upgrade
Upgrade: websocket
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Protocol: {}

"""


def exchange(head: str, *pieces: bytes) -> bytes:
    async def scenario() -> bytes:
        async with running(echo) as url:
            return await talk(url, head, *pieces)

    return asyncio.run(scenario())


def test_the_answer_to_a_key_is_the_one_of_the_standard() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_websocket_message_may_come_in_parts_with_a_ping_between() -> None:
    answer = exchange(
        WEBSOCKET.format("v4.channel.k8s.io"),
        frame(2, b"\0he", final=False),
        frame(9, b"are you there"),
        frame(0, b"llo"),
    )

    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Protocol: v4.channel.k8s.io" in head
    assert rest.startswith(b"\x82\x01\x01")  # an empty message on stdout: connected
    assert b"\x8a\x0dare you there" in rest
    assert b"\x82\x06\x01hello" in rest
    assert b'\x03{"metadata": {}, "status": "Success"}' in rest


def test_base64_channels_are_text() -> None:
    answer = exchange(
        WEBSOCKET.format("v4.base64.channel.k8s.io"),
        frame(1, b"0" + base64.b64encode(b"hello")),
    )

    assert b"\x81\x091" + base64.b64encode(b"hello") in answer


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x82\x01\x00", id="an unmasked frame"),
        pytest.param(b"\xc2\x80\0\0\0\0", id="an unknown extension"),
        pytest.param(b"\x82\xff" + (1 << 60).to_bytes(8, "big"), id="a frame of an exabyte"),
    ],
)
def test_a_broken_websocket_is_closed(sent: bytes) -> None:
    answer = exchange(WEBSOCKET.format("v5.channel.k8s.io"), sent)

    assert answer.startswith(b"HTTP/1.1 101")
    assert b"\x88\x02" in answer


@pytest.mark.parametrize(
    "head",
    ["nonsense\n\n", "GET / SMTP\n\n", "", pytest.param(f"GET / HTTP/1.1\nX: {'y' * 70_000}\n\n", id="long")],
)
def test_what_is_no_request_is_hung_up_on(head: str) -> None:
    async def scenario() -> bytes:
        async with running(echo) as url:
            port = int(url.split(":")[2].partition("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.replace("\n", "\r\n").encode())
            writer.write_eof()
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""
            finally:
                writer.close()

    assert asyncio.run(scenario()) == b""


class Peer:
    """A SPDY client made of struct and zlib, its dictionary ours."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(zdict=spdy._DICTIONARY)

    def open(self, number: int, streamtype: str) -> bytes:
        pairs = struct.pack("!I", 1)
        for word in (b"streamtype", streamtype.encode()):
            pairs += struct.pack("!I", len(word)) + word
        block = self._pack.compress(pairs) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        body = struct.pack("!IIH", number, 0, 0) + block
        return struct.pack("!HHI", 0x8003, 1, len(body)) + body

    def data(self, number: int, data: bytes, flags: int = 0) -> bytes:
        return struct.pack("!II", number, flags << 24 | len(data)) + data

    def ping(self, number: int) -> bytes:
        return struct.pack("!HHII", 0x8003, 6, 4, number)


SPDY = """POST /exec HTTP/1.1
Host: localhost
Connection: Upgrade
Upgrade: SPDY/3.1
X-Stream-Protocol-Version: v4.channel.k8s.io, v3.channel.k8s.io

"""


def test_spdy_replies_to_each_stream_and_to_pings_and_says_goodbye() -> None:
    peer = Peer()
    opened = [peer.open(2 * at + 1, name) for at, name in enumerate(("error", "stdin", "stdout", "stderr"))]

    async def scenario() -> bytes:
        async with running(echo) as url:
            port = int(url.split(":")[2].partition("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(SPDY.replace("\n", "\r\n").encode())
            for piece in (*opened, peer.ping(1), peer.data(3, b"hello")):
                writer.write(piece)
            answer = await reader.read()
            writer.close()
            return answer

    answer = asyncio.run(scenario())

    head, _, frames = answer.partition(b"\r\n\r\n")
    assert b"X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    kinds, at, texts = [], 0, {}
    while at < len(frames):
        first, second = struct.unpack_from("!II", frames, at)
        size = second & 0xFFFFFF
        body = frames[at + 8 : at + 8 + size]
        if first >> 31:
            kinds.append(first & 0xFFFF)
        else:
            texts[first] = texts.get(first, b"") + body
        at += 8 + size
    assert kinds.count(2) == 4
    assert kinds.count(6) == 1
    assert kinds[-1] == 7
    assert texts == {1: b'{"metadata": {}, "status": "Success"}', 5: b"hello", 7: b""}


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_as_spdy_only_ends_the_connection(noise: bytes) -> None:
    async def scenario() -> None:
        ours, theirs = await _pair()
        connection = spdy.Connection(ours, client=False)
        theirs.writer.write(noise)
        theirs.writer.write_eof()
        await connection.wait_closed()
        while await connection.next() is not None:
            pass
        await connection.close()
        await theirs.close()

    asyncio.run(scenario())


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_as_websocket_only_ends_the_connection(noise: bytes) -> None:
    async def scenario() -> None:
        ours, theirs = await _pair()
        socket = WebSocket(ours, client=False)
        theirs.writer.write(noise)
        theirs.writer.write_eof()
        while await socket.receive() is not None:
            pass
        await socket.close()
        await theirs.close()

    asyncio.run(scenario())


async def _pair() -> tuple[Connection, Connection]:
    import socket

    ends = socket.socketpair()
    first, second = [Connection(*await asyncio.open_connection(sock=end)) for end in ends]
    return first, second
