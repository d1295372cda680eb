"""Strings in quotes."""

import pytest

from labs.golang.quoting import quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain ä", '"plain ä"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\n\t\x15", r'"\n\t\x15"'),
        ("\u200b\U000e0001", r'"\u200b\U000e0001"'),
        (b"a\xff\xc3".decode(errors="surrogateescape"), r'"a\xff\xc3"'),
    ],
)
def test_text_is_quoted_as_by_strconv(text: str, quoted: str) -> None:
    assert quote(text) == quoted
