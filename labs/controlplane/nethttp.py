"""A client like Go's `net/http`: HTTP/1.1 over asyncio's streams, by h11, at a fifth of aiohttp's start.

A `Pool` keeps the connections of one server; a request takes a free one and gives it back when its answer was
read to the end.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import h11

from labs import tls
from labs.golang import dialerrors, hostport

_READ = 1 << 16


class Failure(Exception):
    """No answer came, in Go's words. `stale` tells that a kept connection had been closed meanwhile."""

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


class _Connection:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._state = h11.Connection(h11.CLIENT)
        self.used = False

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        request = h11.Request(method=method, target=target, headers=list(headers.items()))
        data = self._state.send(request) or b""
        if body:
            data += self._state.send(h11.Data(body)) or b""
        data += self._state.send(h11.EndOfMessage()) or b""
        self._writer.write(data)
        await self._writer.drain()

    async def event(self) -> Any:
        """The next of h11's events."""
        while (event := self._state.next_event()) is h11.NEED_DATA:
            self._state.receive_data(await self._reader.read(_READ))
        return event

    def reuse(self) -> bool:
        """Make ready for the next request, if that may be."""
        if self._state.our_state is h11.DONE and self._state.their_state is h11.DONE:
            self._state.start_next_cycle()
            self.used = True
            return True
        return False

    @property
    def gone(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()


class Answer:
    """The answer to a request; its body is still arriving."""

    def __init__(self, connection: _Connection, response: h11.Response) -> None:
        self._connection = connection
        self.status = response.status_code
        self.headers = {name.decode(): value.decode("latin-1") for name, value in response.headers}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `Failure` when it breaks off."""
        try:
            while isinstance(event := await self._connection.event(), h11.Data):
                yield bytes(event.data)
        except (OSError, h11.RemoteProtocolError) as error:
            raise Failure("unexpected EOF") from error

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self.chunks()])


class Pool:
    """The connections to one `host:port`; plain when `context` is None."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext | None, *, connect_timeout: float = 10.0
    ) -> None:
        self._host, self._port, self._context = host, port, context
        self._connect_timeout = connect_timeout
        self._free: list[_Connection] = []

    @asynccontextmanager
    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> AsyncIterator[Answer]:
        """Send a request and hand over its answer. Raises `Failure`."""
        full = {"Host": hostport.join(self._host, self._port), **headers}
        if body or method in ("POST", "PUT", "PATCH"):
            full["Content-Length"] = str(len(body))
        try:
            connection, response = await self._round_trip(method, target, full, body)
        except Failure as failure:
            if not failure.stale:
                raise
            # the server had closed the kept connection: nothing was read of the request
            connection, response = await self._round_trip(method, target, full, body)
        done = False
        try:
            yield Answer(connection, response)
            done = connection.reuse()
        finally:
            if done:
                self._free.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close the kept connections."""
        while self._free:
            self._free.pop().close()

    async def _round_trip(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[_Connection, h11.Response]:
        connection = await self._connection()
        try:
            await connection.send(method, target, headers, body)
            while True:
                event = await connection.event()
                if isinstance(event, h11.Response):
                    return connection, event
                if not isinstance(event, h11.InformationalResponse):
                    raise Failure("EOF", stale=connection.used)
        except (OSError, h11.RemoteProtocolError) as error:
            connection.close()
            raise Failure("EOF", stale=connection.used) from error
        except BaseException:
            connection.close()
            raise

    async def _connection(self) -> _Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.gone:
                return connection
            connection.close()
        try:
            async with asyncio.timeout(self._connect_timeout):
                reader, writer = await tls.connect(self._host, self._port, self._context)
        except ssl.SSLError as error:
            raise Failure(tls.explain(error, self._context, self._host)) from error
        except TimeoutError as error:
            raise Failure("net/http: TLS handshake timeout") from error
        except socket.gaierror as error:
            raise Failure(dialerrors.lookup(self._host)) from error
        except OSError as error:
            raise Failure(dialerrors.dial(error, self._host, self._port)) from error
        return _Connection(reader, writer)
