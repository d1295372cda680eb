"""What comes to a port of the host is carried into the cluster's network, and back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from labs.nodes.forwarder import Forwarder

from .conftest import in_a_loop

HOST = "127.0.0.1"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _socket() -> socket.socket:
    return socket.socket()


@asynccontextmanager
async def forwarded(serve: Serve) -> AsyncIterator[Streams]:
    """A client's connection to a forwarder, behind which is `serve`."""
    server = await asyncio.start_server(serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connected(port) as streams:
        yield streams


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Streams]:
    """A client's connection to a forwarder to `port`."""
    with socket.create_server((HOST, 0)) as listener:
        listener.setblocking(False)
        serving = asyncio.create_task(Forwarder(_socket, HOST, port).serve(listener))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


@in_a_loop
async def test_what_the_client_says_is_answered_after_it_has_said_all() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    async with forwarded(serve) as (reader, writer):
        writer.write(b"hello " * 100_000)
        writer.write_eof()

        answer = await reader.read()

    assert answer == b"HELLO " * 100_000


@in_a_loop
async def test_a_server_may_speak_first() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        await reader.read()
        writer.close()

    async with forwarded(serve) as (reader, _):
        assert await reader.readexactly(7) == b"welcome"


@in_a_loop
async def test_when_one_side_goes_the_other_hears_of_it() -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            await reader.read()
        writer.close()
        gone.set()

    async with forwarded(serve) as (_, writer):
        writer.transport.abort()

        await asyncio.wait_for(gone.wait(), 30)


@in_a_loop
async def test_a_client_that_reads_nothing_is_not_sent_more_than_fits() -> None:
    stuck = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(100):
            writer.write(bytes(1 << 20))
            try:
                await asyncio.wait_for(writer.drain(), 2)
            except TimeoutError:
                break
        else:
            return
        stuck.set()
        writer.transport.abort()

    async with forwarded(serve) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]

        await asyncio.wait_for(stuck.wait(), 60)


@in_a_loop
async def test_where_nothing_listens_the_client_is_hung_up_on() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        async with connected(unused.getsockname()[1]) as (reader, _):
            assert await reader.read() == b""
