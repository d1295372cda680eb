"""The serving side: aiohttp's low-level server around one handler."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web

from labs import tls
from labs.golang.tlsserver import TLSServer
from labs.streaming.http import Connection

from ._upgrade import hand_over

#: What etcd takes in one request, and so what the real API server reads of a body.
BODY_LIMIT = 3 * 1024 * 1024
#: How long streams have to end when their port closes; aiohttp takes zero for ever.
_HANG_UP_SECONDS = 0.05


@dataclass(frozen=True)
class Peer:
    """Who is at the other end: its address, and its client certificate, of which it has the key.

    Whether the certificate is to be believed is for the reader: `fault` is what OpenSSL found wrong with it
    (an X509_V_ERR number, 0 for nothing), `validity` its notBefore and notAfter in seconds since 1970.
    """

    address: str
    certificate: bytes | None = None
    subject: tuple[tuple[str, str], ...] = ()
    validity: tuple[int, int] = (0, 0)
    fault: int = 0


@dataclass
class Request:
    """One request, body and all. `target` is the request line's own spelling of path and query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: Peer
    too_large: bool = False
    #: Headers that come several times, each time; `headers` has the last.
    repeated: dict[str, list[str]] = field(default_factory=dict)
    path: str = field(init=False)
    query: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        path, _, query = self.target.partition("?")
        self.path = unquote(path)
        self.query = parse_qs(query, keep_blank_values=True) if query else {}

    def values(self, header: str) -> list[str]:
        """All values of a header."""
        if header in self.repeated:
            return self.repeated[header]
        return [self.headers[header]] if header in self.headers else []

    def argument(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, (default,))[0]

    def flag(self, name: str) -> bool:
        """A query parameter read as Kubernetes reads booleans: present and empty means yes."""
        values = self.query.get(name)
        return values is not None and values[0].lower() not in ("false", "0")


#: What becomes of an upgraded connection.
Takeover = Callable[[Connection], Awaitable[None]]


@dataclass
class Response:
    """An answer; an asynchronous iterator as body is sent chunk by chunk until it ends or the client goes.

    With `takeover` nothing is sent: it gets the client's connection, which ends when it returns.
    """

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    takeover: Takeover | None = None


Handler = Callable[[Request], Awaitable[Response]]


class Port:
    """A port on which a handler answers; see `serve`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        # handler_cancellation is how aiohttp tells a streaming body that its client has gone.
        self._connections = web.Server(self._answer, handler_cancellation=True, access_log=None)
        self._listening: asyncio.Server | TLSServer | None = None
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def open(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        """Take connections."""
        if context is not None:
            self._listening = TLSServer(self._connections, listener, context)
        else:
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(self._connections, sock=listener)

    async def close(self, patience: float) -> None:
        """Take no connections any more, answer requests that have begun, and let go of the connections.

        At the latest after so many seconds; streams, which have no end of their own, are not waited for.
        """
        if self._listening is not None:
            self._listening.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), patience)
        await self._connections.shutdown(_HANG_UP_SECONDS)

    async def _answer(self, raw: web.BaseRequest) -> web.StreamResponse:
        request = await _read(raw)
        with self._answering():
            response = await _to_the_end(self._handler(request))
            if response.takeover is None and isinstance(response.body, bytes):
                return await _whole(raw, response, response.body, last=request.too_large)
        if response.takeover is not None:
            return await hand_over(raw, response.takeover)
        assert not isinstance(response.body, bytes)
        return await _stream(raw, response, response.body)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        self._under_way += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._quiet.set()


async def serve(handler: Handler, listener: socket.socket, *, context: ssl.SSLContext | None) -> Port:
    """Answer with `handler` what comes in at a listening socket.

    A handler once begun runs to its end even when its client has gone (a write is either done and
    recorded or not begun); only streaming bodies are cut off.
    """
    port = Port(handler)
    await port.open(listener, context)
    return port


async def _read(raw: web.BaseRequest) -> Request:
    if raw.headers.get("Expect", "").lower() == "100-continue" and raw.transport is not None:
        raw.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    too_large = False
    async for chunk in raw.content.iter_any():
        if len(body) + len(chunk) > BODY_LIMIT:
            too_large = True
            break
        body += chunk
    return Request(
        method=raw.method,
        target=_text(raw.raw_path),
        headers={name.lower(): _text(", ".join(raw.headers.getall(name))) for name in raw.headers},
        repeated=_repeated(raw),
        body=bytes(body),
        peer=_peer(raw),
        too_large=too_large,
    )


def _repeated(raw: web.BaseRequest) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in raw.headers.items():
        found.setdefault(name.lower(), []).append(_text(value))
    return {name: values for name, values in found.items() if len(values) > 1}


def _text(value: str) -> str:
    """What aiohttp read as UTF-8; bytes that are none come as halves of surrogate pairs."""
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _peer(raw: web.BaseRequest) -> Peer:
    """The other end of the request's connection, looked at once."""
    transport = raw.transport
    if transport is None:
        return Peer(address=raw.remote or "")
    known = _PEERS.get(transport)
    if known is None:
        known = _PEERS[transport] = _look_at(raw.remote or "", raw.get_extra_info("ssl_object"))
    return known


def _look_at(address: str, connection: ssl.SSLObject | None) -> Peer:
    certificate = connection.getpeercert(binary_form=True) if connection else None
    if connection is None or certificate is None:
        return Peer(address)
    shown: Any = connection.getpeercert() or {}
    return Peer(
        address,
        certificate,
        subject=tuple(part for name in shown.get("subject", ()) for part in name),
        validity=(
            ssl.cert_time_to_seconds(shown["notBefore"]),
            ssl.cert_time_to_seconds(shown["notAfter"]),
        ),
        fault=tls.verification_error(connection),
    )


#: By connection, for as long as it lasts.
_PEERS: WeakKeyDictionary[asyncio.BaseTransport, Peer] = WeakKeyDictionary()


async def _to_the_end(work: Awaitable[Response]) -> Response:
    """The result of `work`; a cancellation that arrives meanwhile is passed on after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class _Anonymous(web.StreamResponse):
    """An answer that does not name the software which gives it: Go's servers do not."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)


class _Whole(_Anonymous, web.Response):
    """With its body."""


async def _whole(raw: web.BaseRequest, response: Response, body: bytes, *, last: bool) -> web.StreamResponse:
    """Send an answer now, not when the handler has returned; the `last` one of its connection says so."""
    answer = _Whole(status=response.status, body=body, headers=response.headers)
    if last:
        answer.force_close()
    with suppress(ConnectionResetError):  # the client has gone: nobody is left to tell
        await answer.prepare(raw)
        await answer.write_eof()
    return answer


async def _stream(raw: web.BaseRequest, response: Response, body: AsyncIterator[bytes]) -> web.StreamResponse:
    answer = _Anonymous(status=response.status, headers=response.headers)
    answer.enable_chunked_encoding()
    try:
        await answer.prepare(raw)
        async for chunk in body:
            if chunk:
                await answer.write(chunk)
        await answer.write_eof()
    except ConnectionResetError:
        pass  # the client has gone: nobody is left to tell
    finally:
        await _close(body)
    return answer


async def _close(body: Any) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
