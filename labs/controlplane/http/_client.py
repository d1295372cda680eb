"""The calling side: a client of one server that keeps its connections for the next request."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from labs import tls
from labs.golang import dialerrors, hostport

#: What aiohttp would add on its own: etcd's gateway warns of an Accept header with every request.
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


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


class Answer:
    """An answer whose body is still arriving."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionFailed("error reading from server: EOF", sent=True) from error


class Client:
    """Requests to one etcd server at `host:port`, with gRPC's words; plain when `context` is None."""

    def __init__(
        self, host: str, port: int, *, context: ssl.SSLContext | None = None, connect_timeout: float = 5.0
    ) -> None:
        self.host = host
        self.port = port
        self._context = context
        if context is not None:
            tls.note_refused(context)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._session: aiohttp.ClientSession | None = None

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
    ) -> AsyncIterator[Answer]:
        """Send a request and hand over its answer while it arrives."""
        try:
            response = await self._open().request(
                method, self._url(target), data=body, headers=headers, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError) as error:
            raise self._failure(error) from error
        # Leaving the block closes a connection whose answer was not read to its end.
        async with response:
            yield Answer(response)

    async def close(self) -> None:
        """Let go of the kept connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._context or False, limit=0),
                timeout=self._timeout,
                skip_auto_headers=_NOT_ADDED,
                auto_decompress=False,
            )
        return self._session

    def _url(self, target: str) -> URL:
        scheme = "https" if self._context else "http"
        return URL(f"{scheme}://{hostport.join(self.host, self.port)}{target}", encoded=True)

    def _failure(self, error: Exception) -> ConnectionFailed:
        match error:
            case aiohttp.ConnectionTimeoutError():
                return ConnectionFailed("context deadline exceeded", sent=False)
            case aiohttp.ClientSSLError(os_error=ssl.SSLError() as cause):
                why = tls.explain(cause, self._context, self.host)
                failed = f"transport: authentication handshake failed: {why}"
                return ConnectionFailed(failed, sent=False)
            case aiohttp.ClientConnectorDNSError():
                return ConnectionFailed(dialerrors.lookup(self.host), sent=False)
            case aiohttp.ClientConnectorError():
                return ConnectionFailed(dialerrors.dial(error.os_error, self.host, self.port), sent=False)
        return ConnectionFailed("error reading server preface: EOF", sent=True)
