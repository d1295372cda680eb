"""The calling side: a client of one server that keeps its connections for the next request."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httptools


class ConnectionFailed(Exception):
    """No answer came. `sent` tells whether the server may have acted on the request all the same."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass
class Reply:
    """An answer whose body was read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Requests to one `host:port`; plain when `context` is None."""

    def __init__(
        self, host: str, port: int, *, context: ssl.SSLContext | None = None, connect_timeout: float = 5.0
    ) -> None:
        self.host = host
        self.port = port
        self._context = context
        self._connect_timeout = connect_timeout
        self._idle: list[_Exchange] = []

    async def request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request and read its whole answer."""
        async with self.stream(method, target, body, headers) as answer:
            chunks = [chunk async for chunk in answer.chunks()]
            return Reply(answer.status, answer.headers, b"".join(chunks))

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[_Exchange]:
        """Send a request and hand over its answer while it arrives."""
        exchange = await self._take()
        try:
            await exchange.begin(
                method, target, body, {"Host": f"{self.host}:{self.port}", **(headers or {})}
            )
            yield exchange
        except BaseException:
            exchange.abort()
            raise
        if exchange.reusable:
            self._idle.append(exchange)
        else:
            exchange.abort()

    async def close(self) -> None:
        """Let go of the kept connections."""
        while self._idle:
            self._idle.pop().abort()

    async def _take(self) -> _Exchange:
        while self._idle:
            exchange = self._idle.pop()
            if not exchange.lost:
                return exchange
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, exchange = await loop.create_connection(_Exchange, self.host, self.port, ssl=self._context)
        except TimeoutError as error:
            raise ConnectionFailed("context deadline exceeded", sent=False) from error
        except ssl.SSLError as error:
            raise ConnectionFailed(
                f"transport: authentication handshake failed: {error}", sent=False
            ) from error
        except ConnectionRefusedError as error:
            message = f"transport: Error while dialing: dial tcp {self.host}:{self.port}: connect: connection refused"
            raise ConnectionFailed(message, sent=False) from error
        except OSError as error:
            raise ConnectionFailed(
                f"transport: Error while dialing: dial tcp {self.host}:{self.port}: {error}", sent=False
            ) from error
        return exchange


class _Exchange(asyncio.Protocol):
    """A connection, and the one answer that is under way on it."""

    def __init__(self) -> None:
        self.lost = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self._begun = asyncio.Event()
        self._readable = asyncio.Event()
        self._chunks: deque[bytes] = deque()
        self._complete = True
        self._keep = True

    @property
    def reusable(self) -> bool:
        """Whether the next request may use this connection."""
        return self._complete and self._keep and not self.lost

    async def begin(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Write the request and wait for the answer's head."""
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.headers = 0, {}
        self._complete = False
        self._begun.clear()
        self._readable.clear()
        self._chunks.clear()
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)
        await self._begun.wait()
        if not self.status:
            raise ConnectionFailed("error reading server preface: EOF", sent=True)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self._complete:
                return
            if self.lost:
                raise ConnectionFailed("error reading from server: EOF", sent=True)
            self._readable.clear()
            await self._readable.wait()

    def abort(self) -> None:
        """Drop the connection with whatever is under way on it."""
        self._transport.abort()

    # -- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._begun.set()
        self._readable.set()

    def data_received(self, data: bytes) -> None:
        if self._complete:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    # -- httptools callbacks
    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._begun.set()

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._readable.set()

    def on_message_complete(self) -> None:
        self._keep = self._parser.should_keep_alive()
        self._complete = True
        self._readable.set()
