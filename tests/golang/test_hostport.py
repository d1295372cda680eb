"""Addresses as Go writes them."""

import pytest

from labs.golang import hostport


@pytest.mark.parametrize(
    ("host", "port", "written"),
    [
        ("10.0.0.1", 80, "10.0.0.1:80"),
        ("web", "http", "web:http"),
        ("::1", 10259, "[::1]:10259"),
        ("", 1, ":1"),
    ],
)
def test_a_host_with_colons_stands_in_brackets(host: str, port: int | str, written: str) -> None:
    assert hostport.join(host, port) == written
