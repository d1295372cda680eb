"""A response as Go's `net/http` reads it, with its words for one that cannot be read."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from labs.golang.quoting import quote

#: Bytes of a head, `Transport.MaxResponseHeaderBytes` when nothing else is said.
MAX_HEAD = 10 << 20
_MAX_INFORMATIONAL = 5
_BLANK = " \t"
#: `textproto`: a token's characters, and the blank that it lets pass.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~ ]+")
_BROKEN = "net/http: HTTP/1.x transport connection broken: "


class HeadError(Exception):
    """There is no head, or none that can be understood; in Go's words."""


class BodyError(Exception):
    """The body broke off, or cannot be understood; in Go's words."""


@dataclass(frozen=True)
class Head:
    """The status and the fields; the names of fields are in lower case."""

    status: int
    fields: dict[str, list[str]]
    chunked: bool
    #: Bytes of the body; None where it ends with the connection.
    length: int | None

    def field(self, name: str) -> str:
        """The first field of that name; nothing where there is none."""
        return self.fields.get(name, [""])[0]


async def read_head(reader: asyncio.StreamReader) -> Head:
    """The head of the final response; informational ones before it are passed over.

    The reader's limit is to be MAX_HEAD. Raises HeadError, and OSError as the connection does.
    """
    if not (first := await _line(reader)):
        raise HeadError("EOF")
    try:
        for _ in range(_MAX_INFORMATIONAL + 1):
            head = await _head(_text(first), reader)
            if head.status == 101 or not 100 <= head.status < 200:
                return head
            first = await _line(reader)
            if not first:
                raise HeadError("unexpected EOF")
    except HeadError as error:
        raise HeadError(f"{_BROKEN}{error}") from None
    raise HeadError(f"{_BROKEN}net/http: too many 1xx informational responses")


async def read_body(reader: asyncio.StreamReader, head: Head, most: int) -> bytes:
    """The first `most` bytes of the body. Raises BodyError, and OSError as the connection does."""
    try:
        if head.chunked:
            return await _chunks(reader, most)
        if head.length is not None:
            return await reader.readexactly(min(head.length, most))
        body = b""
        while len(body) < most and (more := await reader.read(most - len(body))):
            body += more
        return body
    except asyncio.IncompleteReadError:
        raise BodyError("unexpected EOF") from None
    except asyncio.LimitOverrunError:
        raise BodyError("header line too long") from None


async def _line(reader: asyncio.StreamReader) -> bytes:
    """A line with its end, which the last one may lack; empty at the end of the connection."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError:
        raise HeadError(f"net/http: server response headers exceeded {MAX_HEAD} bytes; aborted") from None


def _text(line: bytes) -> str:
    return line.removesuffix(b"\n").removesuffix(b"\r").decode(errors="surrogateescape")


async def _head(first: str, reader: asyncio.StreamReader) -> Head:
    """`http.ReadResponse`."""
    version, blank, rest = first.partition(" ")
    if not blank:
        raise HeadError(f"malformed HTTP response {quote(first)}")
    code = rest.lstrip(" ").partition(" ")[0]
    if not re.fullmatch(r"[0-9]{3}", code):
        raise HeadError(f"malformed HTTP status code {quote(code)}")
    if not re.fullmatch(r"HTTP/[0-9]\.[0-9]", version):
        raise HeadError(f"malformed HTTP version {quote(version)}")
    fields = await _fields(reader)
    status, encodings = int(code), fields.get("transfer-encoding", []) if version >= "HTTP/1.1" else []
    if len(encodings) > 1:
        raise HeadError(f"too many transfer encodings: {_listed(encodings)}")
    if encodings and encodings[0].lower() != "chunked":
        raise HeadError(f"unsupported transfer encoding: {quote(encodings[0])}")
    length = _length(fields.get("content-length", []))
    if 100 <= status < 200 or status in (204, 304):
        return Head(status, fields, chunked=False, length=0)
    return Head(status, fields, chunked=bool(encodings), length=length)


async def _fields(reader: asyncio.StreamReader) -> dict[str, list[str]]:
    """`textproto.Reader.ReadMIMEHeader`."""
    fields: dict[str, list[str]] = {}
    values: list[str] = []
    size = 0
    while raw := await _line(reader):
        if not (line := _text(raw)):
            return fields
        size += len(raw)
        if size > MAX_HEAD:
            raise HeadError(f"net/http: server response headers exceeded {MAX_HEAD} bytes; aborted")
        if line[0] in _BLANK:  # the value before it goes on
            if not values:
                raise HeadError(f"malformed MIME header initial line: {quote(line)}")
            values[-1] = f"{values[-1]} {line.strip(_BLANK)}"
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise HeadError(f"malformed MIME header: missing colon: {quote(line)}")
        if not _NAME.fullmatch(name):
            raise HeadError(f"malformed MIME header line: {quote(line)}")
        values = fields.setdefault(name.lower(), [])
        values.append(value.strip(_BLANK))
    raise HeadError("unexpected EOF")


def _length(given: list[str]) -> int | None:
    if len(set(given)) > 1:
        what = "http: message cannot contain multiple Content-Length headers; got"
        raise HeadError(f"{what} {_listed(given)}")
    if not given:
        return None
    # 19 digits at most, of which any zeros may stand before: Python reads no number of thousands
    if not (match := re.fullmatch(r"0*([0-9]{1,19})", given[0])) or int(match[1]) >= 1 << 63:
        raise HeadError(f"bad Content-Length {quote(given[0])}")
    return int(match[1])


def _listed(values: list[str]) -> str:
    return f"[{' '.join(quote(value) for value in values)}]"


async def _chunks(reader: asyncio.StreamReader, most: int) -> bytes:
    """`internal.NewChunkedReader`."""
    body = b""
    while len(body) < most:
        size = await _size(reader)
        if not size:
            return body
        wanted = min(size, most - len(body))
        body += await reader.readexactly(wanted)
        if wanted == size and await reader.readexactly(2) != b"\r\n":
            raise BodyError("malformed chunked encoding")
    return body


async def _size(reader: asyncio.StreamReader) -> int:
    text = (await reader.readuntil(b"\n")).partition(b";")[0].strip().decode(errors="replace")
    if not text:
        raise BodyError("empty hex number for chunk length")
    if not re.fullmatch(r"[0-9A-Fa-f]+", text):
        raise BodyError("invalid byte in chunk length")
    if len(text) > 16:
        raise BodyError("http chunk length too large")
    return int(text, 16)
