"""A TLS port as Go's `net/http` has it: what it answers, and says, where no handshake comes about.

asyncio drops such a connection without a word. Go tells a client that speaks plain HTTP so, in plain HTTP; it
ends other connections with TLS's alert for what is wrong; and it hands a line for the log to the server
(`Server.ErrorLog`). What a connection begins with is looked at here before OpenSSL reads it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from labs.golang import alerts, clienthello, dialerrors, hostport
from labs.golang.clienthello import ClientHello

#: How `net/http` begins its line of a handshake that failed.
HANDSHAKE_ERROR = "http: TLS handshake error"
#: Seconds that a client may take for its handshake.
PATIENCE = 60.0
#: Seconds until connections are accepted again when the process or the machine can have no more.
_RETRY = 1.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_SPOKEN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
#: The first five bytes by which Go knows plain HTTP (`tlsRecordHeaderLooksLikeHTTP`).
_HTTP = (b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO")
_RECORD_HEADER = 5
_RECORD_MAX = _RECORD_HEADER + (1 << 14)
_ALERT, _HANDSHAKE, _SSLV2 = 21, 22, 0x80
#: A record of this version or of a later one is none, for Go.
_NO_VERSION = 0x1000


class _Refusal(NamedTuple):
    """Why there is no handshake, and what the client gets before the connection is closed."""

    why: str
    answer: bytes = b""


_PLAIN_HTTP = _Refusal("client sent an HTTP request to an HTTPS server", _SPOKEN_HTTP)
_NO_TLS = _Refusal("tls: first record does not look like a TLS handshake")

Connected = Callable[[], asyncio.BaseProtocol]
Log = Callable[[str], None]


def without_handshakes(line: str) -> None:
    """The log of Kubernetes' components, which at their usual verbosity leave out handshakes that failed."""
    if not line.startswith(HANDSHAKE_ERROR):
        print(line, file=sys.stderr, flush=True)


def streams(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], limit: int
) -> Connected:
    """For each connection a call of `serve` with its two streams, as `asyncio.start_server` does."""
    return lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(limit), serve)


class TLSServer:
    """Hands connections over when their handshake is done: each to a protocol of its own.

    Serves from its making on, within a running loop, until it is closed; the socket is then closed, too.
    """

    def __init__(
        self,
        connected: Connected,
        listener: socket.socket,
        context: ssl.SSLContext,
        log: Log = without_handshakes,
    ) -> None:
        self._connected, self._listener, self._context, self._log = connected, listener, context, log
        self._loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting = self._loop.create_task(self._accept())

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """What it listens on, as an `asyncio.Server` tells it."""
        return (self._listener,)

    def close(self) -> None:
        """Take no connections any more, and drop those that are not connected yet."""
        for task in (self._accepting, *self._handshakes):
            task.cancel()
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)  # now: its number may soon be another's
            self._listener.close()

    async def _accept(self) -> None:
        while True:
            try:
                connection, address = await self._loop.sock_accept(self._listener)
            except OSError as error:
                if error.errno == errno.EBADF:
                    return  # closed
                if error.errno in _EXHAUSTED:
                    here, why = _end(self._listener.getsockname()), os.strerror(error.errno).lower()
                    again = f"retrying in {_RETRY:g}s"
                    self._log(f"http: Accept error: accept tcp {here}: accept4: {why}; {again}")
                    await asyncio.sleep(_RETRY)
                continue  # else it was the connection's own
            task = self._loop.create_task(self._shake_hands(connection, _end(address)))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, connection: socket.socket, theirs: str) -> None:
        first = b""
        with connection:
            try:
                async with asyncio.timeout(PATIENCE):
                    first = await self._first_record(connection)
                    refusal = _at_first_sight(first)
                    if refusal is None:
                        # asyncio closes what it is given when the handshake fails; its twin can still speak
                        await self._loop.connect_accepted_socket(
                            self._connected, connection.dup(), ssl=self._context
                        )
                        return
                connection.recv(_RECORD_MAX)  # closed with something unread, a connection is reset
            except OSError as error:
                refusal = _failure(error, first, _end(connection.getsockname()), theirs)
            self._log(f"{HANDSHAKE_ERROR} from {theirs}: {refusal.why}")
            with suppress(OSError):  # the client has gone
                connection.send(refusal.answer)

    async def _first_record(self, connection: socket.socket) -> bytes:
        """What has come of it when something has, left to be read again; nothing when the client has gone."""
        connection.setblocking(False)
        while True:
            try:
                return connection.recv(_RECORD_MAX, socket.MSG_PEEK)
            except BlockingIOError:
                await self._readable(connection)

    async def _readable(self, connection: socket.socket) -> None:
        ready = asyncio.Event()
        self._loop.add_reader(connection, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(connection)


def _at_first_sight(first: bytes) -> _Refusal | None:
    """What is wrong with the header of the first record (`Conn.readRecordOrCCS`)."""
    if len(first) < _RECORD_HEADER:
        return None
    if first.startswith(_HTTP):
        return _PLAIN_HTTP
    kind, version = first[0], int.from_bytes(first[1:3], "big")
    if kind == _SSLV2:
        return _Refusal("tls: unsupported SSLv2 handshake received", alerts.fatal(alerts.PROTOCOL_VERSION))
    return _NO_TLS if kind not in (_ALERT, _HANDSHAKE) or version >= _NO_VERSION else None


def _failure(error: OSError, first: bytes, ours: str, theirs: str) -> _Refusal:
    """What Go makes of a handshake that failed, after its first bytes had come."""
    if isinstance(error, ssl.SSLError):
        return _openssl(error, first)
    if isinstance(error, TimeoutError | ConnectionAbortedError):
        return _Refusal(f"read tcp {ours}->{theirs}: i/o timeout")
    if error.errno:
        return _Refusal(dialerrors.read(error, ours, theirs))
    whole = len(first) == 0 or len(first) >= _RECORD_HEADER + int.from_bytes(first[3:5], "big")
    return _Refusal("EOF" if whole else "unexpected EOF")


def _openssl(error: ssl.SSLError, first: bytes) -> _Refusal:
    if said := alerts.received(error):
        return _Refusal(said)
    match error.reason:
        case "HTTP_REQUEST":
            return _PLAIN_HTTP
        case "WRONG_VERSION_NUMBER":
            return _NO_TLS
        case "UNSUPPORTED_PROTOCOL":
            why = f"tls: client offered only unsupported versions: {_hexadecimal(_hello(first).versions)}"
            return _Refusal(why, alerts.fatal(alerts.PROTOCOL_VERSION))
        case "NO_SHARED_CIPHER":
            offered = f"client offered: {_hexadecimal(_hello(first).suites)}"
            why = f"tls: no cipher suite supported by both client and server; {offered}"
            return _Refusal(why, alerts.fatal(alerts.HANDSHAKE_FAILURE))
    why = (error.reason or "handshake failure").lower().replace("_", " ")
    return _Refusal(f"local error: tls: {why}", alerts.fatal(alerts.UNEXPECTED_MESSAGE))


def _hello(first: bytes) -> ClientHello:
    """The client's hello, which OpenSSL has read; an empty one when it did not come at once."""
    try:
        return clienthello.read(first)
    except ValueError:
        return ClientHello((), ())


def _hexadecimal(numbers: Iterable[int]) -> str:
    return f"[{' '.join(f'{number:x}' for number in numbers)}]"


def _end(address: Any) -> str:
    """An end of a connection; an IPv4 one of a socket for both families is told as such."""
    host, port = address[0].removeprefix("::ffff:"), address[1]
    return hostport.join(host, port)
