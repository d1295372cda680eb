"""The serving side: a connection reads requests, one task answers them in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

import httptools

#: What etcd takes in one request, and so what the real API server reads of a body.
BODY_LIMIT = 3 * 1024 * 1024
#: Requests a client may send ahead of their answers before reading from it stops.
PIPELINE_LIMIT = 16

_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class Peer:
    """Who is at the other end: its address and the client certificate the handshake verified."""

    address: str
    certificate: bytes | None = None
    subject: tuple[tuple[str, str], ...] = ()


@dataclass
class Request:
    """One request, body and all. `target` is the request line's own spelling of path and query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: Peer
    too_large: bool = False
    path: str = field(init=False)
    query: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        path, _, query = self.target.partition("?")
        self.path = unquote(path)
        self.query = parse_qs(query, keep_blank_values=True) if query else {}

    def argument(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, (default,))[0]

    def flag(self, name: str) -> bool:
        """A query parameter read as Kubernetes reads booleans: present and empty means yes."""
        values = self.query.get(name)
        return values is not None and values[0].lower() not in ("false", "0")


@dataclass
class Response:
    """An answer; an asynchronous iterator as body is sent chunk by chunk until it ends or the client goes."""

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


async def serve(
    handler: Handler, listener: socket.socket, *, context: ssl.SSLContext | None
) -> asyncio.Server:
    """Answer with `handler` what comes in at a listening socket. A handler once begun runs to its end even when its client has
    gone (a write is either done and recorded or not begun); only streaming bodies are cut off."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Connection(handler), sock=listener, ssl=context, backlog=256)


class _Connection(asyncio.Protocol):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[tuple[Request, bool]] = deque()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._reset()

    def _reset(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._too_large = False

    # -- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        address = transport.get_extra_info("peername")
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls else None
        subject = tls.getpeercert().get("subject", ()) if der else ()
        self._peer = Peer(
            address=address[0] if address else "", certificate=der, subject=tuple(rdn[0] for rdn in subject)
        )
        self._task = asyncio.get_running_loop().create_task(self._answer_all())

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No protocol is switched to here: the request is answered in HTTP and the connection ends.
            if self._queue:
                self._queue[-1] = (self._queue[-1][0], False)
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")
            self._transport.close()

    # -- httptools callbacks
    def on_message_begin(self) -> None:
        self._reset()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > BODY_LIMIT:
            self._too_large = True
        else:
            self._body += body

    def on_message_complete(self) -> None:
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            target=self._target.decode("latin-1"),
            headers=self._headers,
            body=bytes(self._body),
            peer=self._peer,
            too_large=self._too_large,
        )
        self._queue.append((request, self._parser.should_keep_alive()))
        self._arrived.set()
        if len(self._queue) >= PIPELINE_LIMIT:
            self._transport.pause_reading()

    # -- answering
    async def _answer_all(self) -> None:
        try:
            keep = True
            while keep and not self._gone.is_set():
                if not self._queue:
                    self._arrived.clear()
                    await self._arrived.wait()
                    continue
                request, keep = self._queue.popleft()
                if len(self._queue) == PIPELINE_LIMIT - 1:
                    self._transport.resume_reading()
                response = await self._handler(request)
                keep = keep and not request.too_large
                await self._send(request, response, keep)
        finally:
            self._transport.close()

    async def _send(self, request: Request, response: Response, keep: bool) -> None:
        body = response.body
        headers = {"Date": formatdate(usegmt=True), **response.headers}
        if isinstance(body, bytes):
            headers["Content-Length"] = str(len(body))
        else:
            headers["Transfer-Encoding"] = "chunked"
        if not keep:
            headers["Connection"] = "close"
        status = response.status
        head = f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        encoded = f"{head}\r\n".encode("latin-1", "replace")
        if isinstance(body, bytes):
            self._transport.write(encoded if request.method == "HEAD" else encoded + body)
            await self._writable.wait()
            return
        self._transport.write(encoded)
        await self._stream(body)

    async def _stream(self, body: AsyncIterator[bytes]) -> None:
        """Send chunks until the body ends; stop it as soon as the client is gone."""
        sender = asyncio.ensure_future(self._send_chunks(body))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({sender, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not sender.done():
                sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            await _close(body)

    async def _send_chunks(self, body: AsyncIterator[bytes]) -> None:
        async for chunk in body:
            if chunk:
                self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                await self._writable.wait()
        self._transport.write(b"0\r\n\r\n")


async def _close(body: Any) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
