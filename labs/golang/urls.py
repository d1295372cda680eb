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
#: Go finds this out later, when it dials.
_PORT_RANGE = "invalid port after host"
#: What a host and what a user may hold.
_HOST = re.compile(r"""[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>"]""")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
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
        raise UrlError(fault(reference) or f"parse {quote(reference)}: {_PORT_RANGE}") from None
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


def fault(text: str) -> str:
    """What `url.Parse` has against an address; nothing when it has none."""
    whole, mark, fragment = text.partition("#")
    why = _fault(whole)
    if not why and mark and (bad := _BAD_ESCAPE.search(fragment)):
        return f"parse {quote(text)}: invalid URL escape {quote(fragment[bad.start() :][:3])}"
    return f"parse {quote(whole)}: {why}" if why else ""


def _fault(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", text):
        return "net/url: invalid control character in URL"
    if text.startswith(":"):
        return "missing protocol scheme"
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+\-.]*:", text)
    rest = text[scheme.end() :] if scheme else text
    if not rest.startswith("/"):
        if scheme:
            return ""  # nothing more is asked of what has no path
        if ":" in rest.partition("?")[0].partition("/")[0]:
            return "first path segment in URL cannot contain colon"
    rest = rest.partition("?")[0]
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        if why := _authority_fault(authority):
            return why
        rest = slash + path
    bad = _BAD_ESCAPE.search(rest)
    return f"invalid URL escape {quote(rest[bad.start() :][:3])}" if bad else ""


def _authority_fault(authority: str) -> str:
    owner, at, host = authority.rpartition("@")
    if at and not _USER.fullmatch(owner):
        return "net/url: invalid userinfo"
    if host.startswith("[") and "]" not in host:
        return "missing ']' in host"
    end = host.rindex("]") + 1 if host.startswith("[") else max(host.find(":"), 0)
    port = host[end:] if host.startswith("[") or ":" in host else ""
    if not re.fullmatch(r"(:[0-9]*)?", port):
        return f"invalid port {quote(port)} after host"
    for number, char in enumerate(host):
        if char == "%" and not re.match(r"%(25|[89A-Fa-f][0-9A-Fa-f])", host[number:]):
            return f"invalid URL escape {quote(host[number:][:3])}"
        if char < "\x80" and char != "%" and not _HOST.fullmatch(char):
            return f"invalid character {quote(char)} in host name"
    return ""
