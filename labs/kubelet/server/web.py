"""HTTP/1.1 as the kubelet serves it: one connection after the other request, and hands off what is upgraded.

A library's server would keep the connection of an upgraded request to itself; this one passes it on, whole,
to `labs.streaming`. Every answer is plain text or JSON; what is long is sent in chunks.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

from labs.golang.tlsserver import TLSServer, streams
from labs.kubelet import klog
from labs.streaming import http
from labs.streaming.errors import StreamingError

TEXT, JSON = "text/plain; charset=utf-8", "application/json"
#: Seconds that a connection may be silent between two requests.
IDLE = 90.0
#: Of a request's body, which no path of this server has a use for.
_BODY_MAX = 1 << 20
_HEAD_MAX = 1 << 16
_BACKLOG = 256


#: Of answers by Go's `http.Error`, and of healthy checks all at once.
NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class Response:
    """An answer; an iterator's pieces are sent as they come."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


def text(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in words."""
    return Response(status, body.encode(), headers=headers or {})


class Refused(Exception):
    """The request is answered with this status and these words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Exchange:
    """A request, and the connection that it came by."""

    head: http.Request
    connection: http.Connection

    @property
    def method(self) -> str:
        return self.head.method

    @cached_property
    def path(self) -> str:
        """Decoded, without the query."""
        return unquote(self.head.path)

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.head.target.partition("?")[2], keep_blank_values=True)

    def argument(self, name: str) -> str:
        """The first value of a parameter of the query; "" when there is none."""
        return self.query.get(name, [""])[0]

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The encrypted connection, of which the client's certificate can be got."""
        carrier: ssl.SSLObject | None = self.connection.writer.get_extra_info("ssl_object")
        return carrier


#: Answers a request; None when it has taken the connection over, and is done with it.
Handler = Callable[[Exchange], Awaitable[Response | None]]


async def listen(
    handler: Handler, address: str, port: int, context: ssl.SSLContext | None = None
) -> asyncio.Server | TLSServer:
    """Serve on a port. Raises OSError when it cannot be had."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _converse(handler, http.Connection(reader, writer))
        except (OSError, StreamingError, TimeoutError):
            pass  # the client has gone, or speaks no HTTP: nobody is left to tell
        finally:
            writer.close()

    if context is None:
        return await asyncio.start_server(serve, address, port, limit=_HEAD_MAX)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    return TLSServer(streams(serve, _HEAD_MAX), listener, context, _log)


def _log(line: str) -> None:
    klog.info("log.go:245", line)


async def _converse(handler: Handler, connection: http.Connection) -> None:
    while True:
        try:
            async with asyncio.timeout(IDLE):
                head = await http.read_request(connection.reader)
        except StreamingError:
            await _send(connection, Response(400, b"400 Bad Request"), head_only=False, close=True)
            return
        if head is None:
            return
        exchange = Exchange(head, connection)
        close = "close" in head.headers.get("connection", "").lower()
        upgrade = "upgrade" in head.headers
        if not upgrade:
            close = not await _skip_body(exchange) or close
        try:
            response = await handler(exchange)
        except Refused as refused:
            response = text(str(refused), refused.status)
        except (OSError, StreamingError, TimeoutError):
            raise
        except Exception as error:
            klog.error("wrap.go:57", "Observed a panic", repr(error), method=head.method, URI=head.target)
            response = text("Internal Server Error\n", 500)
        if response is None:
            return
        await _send(connection, response, head_only=head.method == "HEAD", close=close or upgrade)
        if close or upgrade:
            return


async def _skip_body(exchange: Exchange) -> bool:
    """Read what is sent along with a request; False when it is not worth while, and the connection ends."""
    headers, reader = exchange.head.headers, exchange.connection.reader
    size = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not size.isdigit() or int(size) > _BODY_MAX:
        return False
    await reader.readexactly(int(size))
    return True


async def _send(connection: http.Connection, response: Response, *, head_only: bool, close: bool) -> None:
    writer, body = connection.writer, response.body
    try:
        reason = HTTPStatus(response.status).phrase
    except ValueError:
        reason = "status"
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"Content-Type: {response.content_type}"] if response.content_type else []
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [f"Date: {formatdate(usegmt=True)}"]
    chunked = not isinstance(body, bytes)
    lines += ["Transfer-Encoding: chunked"] if chunked else [f"Content-Length: {len(body)}"]  # type: ignore[arg-type]
    lines += ["Connection: close"] if close else []
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
    if isinstance(body, bytes):
        writer.write(b"" if head_only else body)
    else:
        await _send_chunks(writer, body, head_only)
    await writer.drain()


async def _send_chunks(writer: Any, body: AsyncIterator[bytes], head_only: bool) -> None:
    async with aclosing(body) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            if piece and not head_only:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
    writer.write(b"0\r\n\r\n")
