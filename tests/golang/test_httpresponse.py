"""Responses as Go reads them: whatever comes is read or told of."""

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labs.golang.httpresponse import MAX_HEAD, BodyError, Head, HeadError, read_body, read_head

MOST = 1000


def fed(data: bytes, limit: int = MAX_HEAD) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=limit)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def read(data: bytes) -> tuple[Head, bytes]:
    async def check() -> tuple[Head, bytes]:
        reader = fed(data)
        head = await read_head(reader)
        return head, await read_body(reader, head, MOST)

    return asyncio.run(check())


PIECES = st.sampled_from(
    [
        b"HTTP/1.1 ", b"HTTP/1.0 ", b"200", b"100", b"204", b" OK", b"\r\n", b"\n", b"\r\n\r\n", b": ", b" ",
        b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Location: /\r\n", b"3", b"a\r\n",
        b"0\r\n\r\n",
    ]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=5)).map(b"".join))
@example(b"HTTP/1.1 200 OK\r\nA: \xff\r\n\xff\r\n\r\n")
def test_whatever_comes_is_read_or_told(data: bytes) -> None:
    try:
        head, body = read(data)
    except (HeadError, BodyError) as error:
        assert str(error).isprintable()
    else:
        assert 0 <= head.status <= 999
        assert len(body) <= MOST


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=8))
def test_chunks_are_put_together_again(parts: list[bytes]) -> None:
    written = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)

    _, body = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + written + b"0\r\n\r\n")

    assert body == b"".join(parts)[:MOST]


def test_fields_are_found_by_their_name_in_any_case_and_go_on_where_a_line_begins_with_a_blank() -> None:
    head, _ = read(b"HTTP/1.1 200 OK\r\nlOcation: /a\r\n\t /b \r\nX: 1\r\nx: 2\r\n\r\n")

    assert head.field("location") == "/a /b"
    assert head.fields["x"] == ["1", "2"]
    assert head.field("y") == ""


def test_a_head_without_end_is_given_up() -> None:
    async def check() -> None:
        await read_head(fed(b"HTTP/1.1 200 OK\r\nA: " + b"x" * (MAX_HEAD + 1)))

    with pytest.raises(HeadError, match=f"server response headers exceeded {MAX_HEAD} bytes; aborted"):
        asyncio.run(check())


def test_many_fields_without_end_are_given_up() -> None:
    line = b"A: " + b"x" * (1 << 20) + b"\r\n"

    with pytest.raises(HeadError, match="server response headers exceeded"):
        read(b"HTTP/1.1 200 OK\r\n" + line * 11)


def test_informational_answers_have_an_end() -> None:
    with pytest.raises(HeadError, match="too many 1xx informational responses"):
        read(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("0", 0),
        ("0" * 5000 + "7", 7),
        (str((1 << 63) - 1), (1 << 63) - 1),
        (str(1 << 63), None),
        ("9" * 5000, None),
        ("-1", None),
        ("\u0664", None),
        ("", None),
    ],
)
def test_a_length_is_a_number_of_63_bits_or_bad(written: str, length: int | None) -> None:
    async def check() -> int | None:
        return (await read_head(fed(f"HTTP/1.1 200 OK\r\nContent-Length: {written}\r\n\r\n".encode()))).length

    if length is None:
        with pytest.raises(HeadError, match="bad Content-Length"):
            asyncio.run(check())
    else:
        assert asyncio.run(check()) == length


def test_a_chunk_s_size_has_an_end() -> None:
    async def check() -> bytes:
        reader = fed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 500, limit=100)
        return await read_body(reader, await read_head(reader), MOST)

    with pytest.raises(BodyError, match="header line too long"):
        asyncio.run(check())
