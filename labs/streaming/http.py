"""The beginning of each stream: an HTTP/1.1 request that asks for another protocol.

A server of any kind hands over the request's head and its connection; a client gets a connection by
`dial`; who stands between the two passes everything on by `relay`.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from labs.streaming.errors import RefusedError, StreamingError
from labs.tls import connect

#: Of a request's or response's head, and of what a refusal says.
_HEAD_MAX = 64 * 1024
_REASONS = {101: "Switching Protocols", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """The head of a request. Names of headers are in lower case; of a repeated one the values are joined."""

    method: str
    target: str
    headers: Headers = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def tokens(self, header: str) -> list[str]:
        """The parts of a header whose value is a list."""
        return [part.strip() for part in self.headers.get(header, "").split(",") if part.strip()]

    def upgrades_to(self, protocol: str) -> bool:
        """Whether the client asks for `protocol` on this connection."""
        connection = (token.lower() for token in self.tokens("connection"))
        wanted = (token.lower() for token in self.tokens("upgrade"))
        return "upgrade" in connection and protocol.lower() in wanted


@dataclass(frozen=True)
class Connection:
    """The two halves of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    #: What carries it, when that is not the kernel alone: it lives as long as the connection.
    carrier: object = None

    async def close(self) -> None:
        """Close after all that was written."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:  # the other side was faster
            return


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The head of the next request; None when there is none. `StreamingError` for what is no request."""
    try:
        lines = await _head(reader)
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise StreamingError("the connection ended within a request") from None
        return None
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise StreamingError(f"not a request: {lines[0][:100]!r}")
    return Request(parts[0], parts[1], _headers(lines[1:]))


async def _head(reader: asyncio.StreamReader) -> list[str]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise StreamingError("the head of the request or response is too long") from None
    return head.decode("latin-1").split("\r\n")


def _headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return headers


def respond(writer: asyncio.StreamWriter, code: int, headers: Headers, body: str = "") -> None:
    """Write a response; one that upgrades has no body."""
    lines = [f"HTTP/1.1 {code} {_REASONS.get(code, 'Error')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if code != 101:
        lines += ["Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(body.encode())}"]
        lines += ["Connection: close"]
    writer.write("\r\n".join([*lines, "", body]).encode())


def negotiate(offered: Sequence[str], supported: Sequence[str]) -> str | None:
    """The first of the client's protocols that is supported."""
    return next((protocol for protocol in offered if protocol in supported), None)


async def dial(
    url: str,
    method: str,
    headers: Headers,
    *,
    tls: ssl.SSLContext | None = None,
    unix: str | None = None,
) -> tuple[Connection, Headers]:
    """Ask for the upgrade that `headers` name; the upgraded connection, and the response's headers.

    Raises `RefusedError` when the server answers anything but 101, `OSError` when there is none.
    """
    address = urlsplit(url)
    host = address.hostname or "localhost"
    if unix is not None:
        reader, writer = await asyncio.open_unix_connection(unix, limit=_HEAD_MAX)
    else:
        port = address.port or (443 if tls else 80)
        reader, writer = await connect(host, port, tls, limit=_HEAD_MAX)
    connection = Connection(reader, writer)
    try:
        target = f"{address.path or '/'}{'?' if address.query else ''}{address.query}"
        lines = [f"{method} {target} HTTP/1.1", f"Host: {address.netloc}", "Connection: Upgrade"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        status, *rest = await _head(reader)
        answered = _headers(rest)
        code = int(status.split(" ")[1])
        if code != 101:
            body = await reader.read(min(int(answered.get("content-length", _HEAD_MAX)), _HEAD_MAX))
            raise RefusedError(code, body.decode("utf-8", "replace").strip() or status)
    except (asyncio.IncompleteReadError, ValueError, IndexError) as broken:
        await connection.close()
        raise StreamingError(f"{url}: not an HTTP answer") from broken
    except BaseException:
        await connection.close()
        raise
    return connection, answered


#: What of a client's request is about its upgrade, and is passed on.
_UPGRADING = frozenset(
    {
        *("upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"),
        *("sec-websocket-extensions", "x-stream-protocol-version", "origin", "content-length"),
    }
)


async def pass_on(
    request: Request, url: str, *, tls: ssl.SSLContext | None = None
) -> tuple[Connection, Headers]:
    """Ask the server at `url` for the upgrade that a client has asked for: its connection, and its answer.

    Raises what `dial` does.
    """
    passed = {name: value for name, value in request.headers.items() if name in _UPGRADING}
    server, answered = await dial(url, request.method, passed, tls=tls)
    return server, {k: v for k, v in answered.items() if k not in ("connection", "date")}


async def relay(request: Request, client: Connection, url: str, *, tls: ssl.SSLContext | None = None) -> None:
    """Be the wire between a client and the server at `url`. A refusal is passed on, too."""
    try:
        server, answered = await pass_on(request, url, tls=tls)
    except RefusedError as refused:
        respond(client.writer, refused.code, {}, str(refused))
        await client.close()
        return
    await answer(client, server, answered)


async def answer(client: Connection, server: Connection, answered: Headers) -> None:
    """Upgrade a client's connection as the server has upgraded its own, and be the wire between the two."""
    respond(client.writer, 101, {"Connection": "Upgrade", **answered})
    await join(client, server)


async def join(one: Connection, other: Connection) -> None:
    """Be the wire between two connections until both have ended."""
    try:
        await asyncio.gather(
            _pump(one.reader, other.writer), _pump(other.reader, one.writer), return_exceptions=True
        )
    finally:
        await other.close()
        await one.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        if writer.can_write_eof():
            writer.write_eof()
        else:  # TLS knows no half: the other direction ends, too
            writer.close()
