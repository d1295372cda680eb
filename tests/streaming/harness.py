"""A server on this machine whose "command" is a Python function."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from labs.streaming import http, remotecommand
from labs.streaming.errors import StreamingError
from labs.streaming.http import Connection, Request
from labs.streaming.remotecommand import Session

Command = Callable[[Session], Awaitable[None]]


@asynccontextmanager
async def serving(handle: Callable[[Request, Connection], Awaitable[None]]) -> AsyncIterator[str]:
    """The URL of a server that hands each connection to `handle`."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(StreamingError, OSError):
            request = await http.read_request(reader)
            if request is not None:
                await handle(request, Connection(reader, writer))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/exec/token?x=1"
    finally:
        server.close()


@asynccontextmanager
async def running(command: Command, *, tty: bool = False) -> AsyncIterator[str]:
    """The URL at which `command` gets a session with stdin, stdout and stderr, or a terminal."""
    names = remotecommand.wanted(stdin=True, stdout=True, stderr=True, tty=tty)

    async def handle(request: Request, connection: Connection) -> None:
        session = await remotecommand.accept(request, connection, names)
        if session is not None:
            await command(session)

    async with serving(handle) as url:
        yield url
