"""Getting hold of the connection of a request that is upgraded: aiohttp knows but WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from labs.streaming.http import Connection

_LIMIT = 1 << 16


class _HandedOver(web.StreamResponse):
    """Nothing is left to be sent."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return


class _Protocol(asyncio.StreamReaderProtocol):
    """The connection's new protocol, which tells the old one of its end: aiohttp keeps count."""

    def __init__(self, reader: asyncio.StreamReader, before: asyncio.BaseProtocol) -> None:
        super().__init__(reader)
        self._before = before

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._before.connection_lost(exc)


async def hand_over(
    raw: web.BaseRequest, takeover: Callable[[Connection], Awaitable[None]]
) -> web.StreamResponse:
    """Give a request's connection to `takeover`, and close it when that has returned."""
    response = _HandedOver()
    response.force_close()
    transport = raw.transport
    if transport is None or transport.is_closing():
        return response
    reader = asyncio.StreamReader(limit=_LIMIT)
    protocol = _Protocol(reader, raw.protocol)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.resume_reading()
    writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    try:
        await takeover(Connection(reader, writer))
    finally:
        transport.close()
    return response
