"""Addresses as Go's `net/url` reads and writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote as escape
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from labs.golang import hostport
from labs.golang.quoting import quote

_PORTS = {"http": 80, "https": 443}
#: What a path may hold beside letters and digits: as it was given, and when it is written anew.
_GIVEN = re.compile(r"[A-Za-z0-9\-._~$&+,/:;=@!'()*\[\]%]*")
_WRITTEN = "$&+,/:;=@"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class UrlError(Exception):
    """`url.Parse` cannot read it; in its words."""


@dataclass(frozen=True)
class Url:
    """An address of a server."""

    scheme: str
    #: Without the brackets of IPv6.
    host: str
    port: int
    #: The path and the query, as they are asked for.
    target: str
    #: The whole.
    text: str


def of_path(scheme: str, host: str, port: int, path: str) -> Url:
    """The server's address with a path that may have a query and a fragment (`pkg/probe/http`, `formatURL`).

    What is before the path (`http://elsewhere`, `//elsewhere`) does not count.
    """
    rest, mark, fragment = path.partition("#")
    try:
        rest, asked, query = rest.partition("?")
        target = _escaped(_path(rest, path)) + asked + query
        end = mark + fragment if fragment else ""
    except UrlError:
        target, end = escape(path, _WRITTEN), ""
    if not target.startswith("/"):
        target = f"/{target}"
    return Url(scheme, host, port, target, f"{scheme}://{hostport.join(host, port)}{target}{end}")


def elsewhere(base: Url, reference: str) -> Url:
    """Where a reference that stands in a page of `base` leads to (`URL.Parse`). Raises UrlError."""
    try:
        whole = urljoin(base.text, reference)
        parts = urlsplit(whole)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UrlError(f"parse {quote(reference)}: {_why(reference)}") from None
    path = _escaped(parts.path) or "/"
    return Url(
        parts.scheme, host, port or _PORTS.get(parts.scheme, 0),
        f"{path}?{parts.query}" if parts.query else path, whole,
    )  # fmt: skip


def _path(rest: str, whole: str) -> str:
    """The path of an address. Raises UrlError, without words: nobody is told of it."""
    if _BAD_ESCAPE.search(rest) or re.search(r"[\x00-\x1f\x7f]", whole) or rest.startswith(":"):
        raise UrlError
    if scheme := re.match(r"[A-Za-z][A-Za-z0-9+\-.]*:(?=/)", rest):
        rest = rest[scheme.end() :]
    elif ":" in rest.partition("/")[0]:
        raise UrlError
    elif rest.startswith("///"):
        return rest
    return "/" + rest[2:].partition("/")[2] if rest.startswith("//") else rest


def _escaped(path: str) -> str:
    """`URL.EscapedPath`."""
    return path if _GIVEN.fullmatch(path) else escape(unquote_to_bytes(path), _WRITTEN)


def _why(reference: str) -> str:
    authority = re.sub(r"^[^/]*//", "", reference).partition("/")[0]
    if authority.startswith("[") and "]" not in authority:
        return "missing ']' in host"
    return f"invalid port {quote(':' + authority.rpartition(':')[2])} after host"
