"""SPDY/3.1: streams over one upgraded connection, as crictl and older clients of Kubernetes speak it.

Of the protocol (draft 3.1 of 2013) everything is here that those use. Its flow control is not: no client of
Kubernetes keeps or updates windows, TCP's own holds back who is too fast.
"""

import asyncio
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress

from labs.streaming.errors import StreamingError
from labs.streaming.http import Connection as Wire
from labs.streaming.http import Headers, Request, respond
from labs.streaming.stream import Stream

NAME = "SPDY/3.1"
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY, _HEADERS = 1, 2, 3, 6, 7, 8
_CONTROL, _VERSION = 0x8000, 3
_FIN = 0x01
_CANCEL = 5
#: One frame holds less than 16 MB; ours are small, so that streams take turns.
_PIECE = 1 << 15
_FRAME_MAX = 1 << 20
_HEADERS_MAX = 1 << 16
#: Seconds for the other side to close, too.
_FAREWELL = 5.0

#: Appendix of the protocol: each word with its length before it, then a text.
_WORDS = """options head post put delete trace accept accept-charset accept-encoding accept-language
accept-ranges age allow authorization cache-control connection content-base content-encoding content-language
content-length content-location content-md5 content-range content-type date etag expect expires from host
if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards
pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding
upgrade user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public
set-cookie keep-alive origin"""
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
_DICTIONARY = (
    b"".join(struct.pack("!I", len(word)) + word.replace("_", " ").encode() for word in _WORDS.split())
    + _TEXT.encode()
)


def accept(request: Request, wire: Wire, protocol: str | None) -> "Connection":
    """Upgrade a request on the server's side, having chosen a protocol of its streams."""
    headers = {"Connection": "Upgrade", "Upgrade": NAME}
    if protocol:
        headers["X-Stream-Protocol-Version"] = protocol
    respond(wire.writer, 101, headers)
    return Connection(wire, client=False)


class SpdyStream(Stream):
    """A stream of a connection, with the headers that it was opened with."""

    def __init__(self, connection: "Connection", number: int, headers: Headers) -> None:
        super().__init__()
        self.headers = headers
        self.number = number
        self._connection = connection
        self._closed = False

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), _PIECE):
            if self._closed:
                raise ConnectionResetError("the stream is closed")
            await self._connection.send_data(self.number, data[at : at + _PIECE])

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._connection.send_data(self.number, b"", fin=True)
            self._connection.forget_closed(self)

    async def reset(self) -> None:
        """Give the stream up in both directions."""
        self.abandoned()
        await self._connection.send_reset(self.number)

    @property
    def closed(self) -> bool:
        """In both directions."""
        return self._closed and self.inbox.ended

    def abandoned(self) -> None:
        """The other side has given it up, or is gone."""
        self._closed = True
        self.inbox.end()


class Connection:
    """All streams between two sides. Either may open some; a new one of the other's is got by `next`."""

    def __init__(self, wire: Wire, *, client: bool) -> None:
        self._wire = wire
        self._client = client
        self._number = -1 if client else 0
        self._streams: dict[int, SpdyStream] = {}
        self._new: asyncio.Queue[SpdyStream | None] = asyncio.Queue()
        self._deflate = zlib.compressobj(zdict=_DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=_DICTIONARY)
        self._reading = asyncio.create_task(self._read())

    async def next(self) -> SpdyStream | None:
        """The next stream that the other side opens; None when it opens no more."""
        stream = await self._new.get()
        if stream is None:
            self._new.put_nowait(None)
        return stream

    async def open(self, headers: Headers) -> SpdyStream:
        """A new stream of ours."""
        self._number += 2
        stream = SpdyStream(self, self._number, headers)
        self._streams[stream.number] = stream
        body = struct.pack("!IIH", stream.number, 0, 0) + self._packed(headers)
        await self._control(_SYN_STREAM, body)
        return stream

    async def wait_closed(self) -> None:
        """Until the other side has closed the connection."""
        await asyncio.shield(self._reading)

    async def close(self) -> None:
        """Say goodbye after all that was written, wait for the other side to do so, and close."""
        with suppress(OSError):
            await self._control(_GOAWAY, struct.pack("!II", max(self._streams, default=0), 0))
            if self._wire.writer.can_write_eof():
                self._wire.writer.write_eof()
        for stream in self._streams.values():
            stream.inbox.drop()  # nobody reads what may still come
        # closing with something unread would take what was sent from the other side
        await asyncio.wait([self._reading], timeout=_FAREWELL)
        self._reading.cancel()
        await self._wire.close()

    def forget_closed(self, stream: SpdyStream) -> None:
        """Let go of a stream in which neither side sends any more."""
        if stream.closed:
            self._streams.pop(stream.number, None)

    async def send_data(self, number: int, data: bytes, *, fin: bool = False) -> None:
        await self._send(struct.pack("!II", number, (_FIN if fin else 0) << 24 | len(data)) + data)

    async def send_reset(self, number: int) -> None:
        self._streams.pop(number, None)
        await self._control(_RST_STREAM, struct.pack("!II", number, _CANCEL))

    async def _control(self, kind: int, body: bytes) -> None:
        await self._send(struct.pack("!HHI", _CONTROL | _VERSION, kind, len(body)) + body)

    async def _send(self, frame: bytes) -> None:
        if self._wire.writer.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._wire.writer.write(frame)
        await self._wire.writer.drain()

    async def _read(self) -> None:
        reader = self._wire.reader
        try:
            while True:
                first, second = struct.unpack("!II", await reader.readexactly(8))
                size = second & 0xFFFFFF
                if size > _FRAME_MAX:
                    raise StreamingError("a frame is too long")
                body = await reader.readexactly(size)
                if first >> 16 & _CONTROL:
                    await self._handle(first & 0xFFFF, second >> 24, body)
                else:
                    await self._receive(first, second >> 24, body)
        except (asyncio.IncompleteReadError, OSError, struct.error, zlib.error, StreamingError):
            pass  # gone, or not to be understood: either way its streams end here
        finally:
            self._new.put_nowait(None)
            for stream in self._streams.values():
                stream.abandoned()

    async def _receive(self, number: int, flags: int, data: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        await stream.inbox.put(data)
        if flags & _FIN:
            stream.inbox.end()
            self.forget_closed(stream)

    async def _handle(self, kind: int, flags: int, body: bytes) -> None:
        if kind == _SYN_STREAM:
            number = struct.unpack_from("!I", body)[0] & 0x7FFFFFFF
            stream = SpdyStream(self, number, self._unpacked(body[10:]))
            self._streams[number] = stream
            if flags & _FIN:
                stream.inbox.end()
            await self._control(_SYN_REPLY, struct.pack("!I", number) + self._packed({}))
            self._new.put_nowait(stream)
        elif kind in (_SYN_REPLY, _HEADERS):
            self._unpacked(body[4:])  # nothing of interest, but the compression goes on from it
            if flags & _FIN:
                await self._receive(struct.unpack_from("!I", body)[0], _FIN, b"")
        elif kind == _RST_STREAM:
            stream_ = self._streams.pop(struct.unpack_from("!I", body)[0], None)
            if stream_ is not None:
                stream_.abandoned()
        elif kind == _PING:
            number = struct.unpack("!I", body)[0]
            if number % 2 == (0 if self._client else 1):  # theirs; the others are answers to ours
                await self._control(_PING, body)
        elif kind == _GOAWAY:
            self._new.put_nowait(None)

    def _packed(self, headers: Headers) -> bytes:
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        parts = [struct.pack("!I", len(pairs))]
        for pair in pairs:
            parts += [struct.pack("!I", len(part)) + part for part in pair]
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _unpacked(self, block: bytes) -> Mapping[str, str]:
        data = self._inflate.decompress(block, _HEADERS_MAX)
        if self._inflate.unconsumed_tail:
            raise StreamingError("the headers of a stream are too long")
        parts, at = [], 4
        for _ in range(2 * struct.unpack_from("!I", data)[0]):
            size = struct.unpack_from("!I", data, at)[0]
            parts.append(data[at + 4 : at + 4 + size].decode("utf-8", "replace"))
            at += 4 + size
        return {
            name.lower(): value.partition("\0")[0] for name, value in zip(*[iter(parts)] * 2, strict=True)
        }
