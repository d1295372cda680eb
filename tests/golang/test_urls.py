"""Addresses by Go's rules; what is asked for is recorded from a kubelet 1.36.2's probes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.golang.urls import UrlError, elsewhere, of_path


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/"),
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/ä", "/%C3%A4"),
        ("/x?y=a b", "/x?y=a b"),
        ("/x#frag", "/x"),
        ("//double/x", "/x"),
        ("http://other.example/path", "/path"),
        ("?q=1", "/?q=1"),
        ("/%zz", "/%25zz"),
        ('/a"b<c>', "/a%22b%3Cc%3E"),
        ("/a;b,c", "/a;b,c"),
        ("noslash", "/noslash"),
        ("/x?y=%zz", "/x?y=%zz"),
        ("/x?", "/x?"),
        ("/a\\b", "/a%5Cb"),
        ("/a|b^c`{d}", "/a%7Cb%5Ec%60%7Bd%7D"),
        ("/%2F/x", "/%2F/x"),
        ("/x?a=1#f", "/x?a=1"),
        ("/it's!*()$&+=:@~", "/it's!*()$&+=:@~"),
        (":x", "/:x"),
        ("/[1]", "/[1]"),
        ("/a%41", "/a%41"),
        ('/x?y="<>', '/x?y="<>'),
        ("/#", "/"),
        ("/x?y=ä|^", "/x?y=ä|^"),
    ],
)
def test_a_path_is_asked_for_as_go_writes_it(path: str, asked: str) -> None:
    assert of_path("http", "10.0.0.1", 80, path).target == asked


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    url = of_path("https", "fe80::1", 6443, "/readyz?verbose")

    assert url.text == "https://[fe80::1]:6443/readyz?verbose"
    assert url.host == "fe80::1"


@pytest.mark.parametrize(
    ("reference", "leads_to"),
    [
        ("/y?z=1", ("http", "h", 8080, "/y?z=1")),
        ("other", ("http", "h", 8080, "/a/other")),
        ("http://h/y", ("http", "h", 80, "/y")),
        ("https://h/y", ("https", "h", 443, "/y")),
        ("https://e:81", ("https", "e", 81, "/")),
        ("//e/", ("http", "e", 80, "/")),
        ("http://[::1]:81/", ("http", "::1", 81, "/")),
        ("/a b", ("http", "h", 8080, "/a%20b")),
    ],
)
def test_a_reference_leads_on_from_where_it_stands(
    reference: str, leads_to: tuple[str, str, int, str]
) -> None:
    url = elsewhere(of_path("http", "h", 8080, "/a/b"), reference)

    assert (url.scheme, url.host, url.port, url.target) == leads_to


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("http://[::1", "parse \"http://[::1\": missing ']' in host"),
        ("http://h:80:80/", 'parse "http://h:80:80/": invalid port ":80:80" after host'),
        ("http://::1/", 'parse "http://::1/": invalid port "::1" after host'),
        ("http://h:x/", 'parse "http://h:x/": invalid port ":x" after host'),
    ],
)
def test_a_reference_that_is_none_is_told(reference: str, why: str) -> None:
    with pytest.raises(UrlError, match=re.escape(why)):
        elsewhere(of_path("http", "h", 80, "/"), reference)


@given(st.text())
def test_any_path_is_one_of_the_server_s_own(path: str) -> None:
    url = of_path("http", "h", 80, path)

    assert (url.scheme, url.host, url.port) == ("http", "h", 80)
    assert url.target.startswith("/")
    assert url.text.startswith(f"http://h:80{url.target}")
    assert not re.search(r"[\x00-\x1f\x7f]", url.target)


@given(st.text())
def test_any_reference_leads_somewhere_or_is_told(reference: str) -> None:
    try:
        url = elsewhere(of_path("http", "h", 80, "/"), reference)
    except UrlError as error:
        assert str(error).startswith("parse ")
    else:
        assert url.target
