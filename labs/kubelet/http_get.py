"""The httpGet of probes and hooks (`pkg/probe/http`), in the words of Go's `net/http`."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache

from labs.golang import dialerrors, hostport, httpresponse, urls
from labs.golang.httpresponse import BodyError, Head, HeadError
from labs.golang.quoting import quote
from labs.golang.urls import Url, UrlError
from labs.kubelet.pod.model import HttpGet

#: Bytes of an answer that are read.
MAX_BODY = 10 * 1024
MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Asker:
    """Who asks, and what it asks with beside the fields of the action."""

    user_agent: str
    field: str


PROBE = Asker("kube-probe/1.36", "Connection: close")
HOOK = Asker("kube-lifecycle/1.36", "Accept-Encoding: gzip")


class HttpFailure(Exception):
    """No answer."""


class PlainHttpError(HttpFailure):
    """A server that was asked by TLS has answered without."""


@dataclass(frozen=True)
class Answer:
    """What came, of a redirect that was not followed, too."""

    status: int
    body: str


async def http_get(action: HttpGet, host: str, port: int, asker: Asker, timeout: float | None) -> Answer:
    """Ask once, within `timeout` seconds in all; redirects on the same host are followed.

    Raises HttpFailure, and BodyError where the answer breaks off.
    """
    url = first = urls.of_path(action.scheme.lower(), host, port, action.path)
    answered = False
    try:
        async with asyncio.timeout(timeout):
            for _ in range(MAX_REDIRECTS):
                async with _asked(url, action, asker) as (reader, head):
                    target = _target(url, head)
                    if target is None or target.host != first.host:
                        answered = True
                        body = await httpresponse.read_body(reader, head, MAX_BODY)
                        return Answer(head.status, body.decode(errors="replace"))
                    location, url = head.field("location"), target
    except TimeoutError:
        when = "or context cancellation while reading body" if answered else "exceeded while awaiting headers"
        why = f"context deadline exceeded (Client.Timeout {when})"
        raise BodyError(why) if answered else _failure(url.text, why) from None
    raise _failure(location, "stopped after 10 redirects")


def _failure(url: str, why: str) -> HttpFailure:
    return HttpFailure(f"Get {quote(url)}: {why}")


def _target(url: Url, head: Head) -> Url | None:
    """Where the answer leads to, if anywhere. Raises HttpFailure."""
    location = head.field("location")
    if head.status not in REDIRECTS or not location:
        return None
    try:
        return urls.elsewhere(url, location)
    except UrlError as error:
        raise _failure(url.text, f"failed to parse Location header {quote(location)}: {error}") from None


@asynccontextmanager
async def _asked(url: Url, action: HttpGet, asker: Asker) -> AsyncIterator[tuple[asyncio.StreamReader, Head]]:
    """The answer to a request, up to its body; the connection is not kept. Raises HttpFailure, BodyError."""
    reader, writer = await _connected(url)
    ends = _ends(writer, url)
    try:
        writer.write(_request(url, action, asker))
        try:
            head = await httpresponse.read_head(reader)
        except HeadError as error:
            raise _failure(url.text, str(error)) from None
        except OSError as error:
            raise _failure(url.text, _broken(error, *ends)) from None
        try:
            yield reader, head
        except OSError as error:
            raise BodyError(_broken(error, *ends)) from None
    finally:
        writer.transport.abort()  # nothing is left to say, a farewell of TLS's least of all


async def _connected(url: Url) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if url.scheme not in ("http", "https"):  # where a redirect leads to
        raise _failure(url.text, f"unsupported protocol scheme {quote(url.scheme)}")
    context = _unverified() if url.scheme == "https" else None
    try:
        return await asyncio.open_connection(url.host, url.port, ssl=context, limit=httpresponse.MAX_HEAD)
    except ssl.SSLError as error:
        said = f"Get {quote(url.text)}: {dialerrors.handshake(error)}"
        plain = error.reason == "WRONG_VERSION_NUMBER"
        raise PlainHttpError(said) if plain else HttpFailure(said) from None
    except OSError as error:
        if context and isinstance(error, ConnectionResetError | ConnectionAbortedError):
            raise _failure(url.text, "EOF") from None  # while TLS was agreed on, for a minute at most
        raise _failure(url.text, dialerrors.dial(error, url.host, url.port)) from None


@cache
def _unverified() -> ssl.SSLContext:
    """Neither probes nor hooks check certificates (`InsecureSkipVerify`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _ends(writer: asyncio.StreamWriter, url: Url) -> list[str]:
    """Both addresses of a connection, which asyncio forgets when it is lost."""
    found = (writer.get_extra_info(name) or (url.host, url.port) for name in ("sockname", "peername"))
    return [hostport.join(host, port) for host, port, *_ in found]


def _broken(error: OSError, ours: str, theirs: str) -> str:
    if isinstance(error, ssl.SSLError):
        return dialerrors.handshake(error)
    return dialerrors.read(error, ours, theirs)


def _request(url: Url, action: HttpGet, asker: Asker) -> bytes:
    """As Go writes it: Host and User-Agent, then the rest by name."""
    own: dict[str, list[str]] = {}
    for name, value in action.headers:
        canonical = "-".join(part.capitalize() for part in name.split("-"))
        own.setdefault(canonical, []).append(value.strip())
    (host, *_), (agent, *_) = own.pop("Host", [""]), own.pop("User-Agent", [asker.user_agent])
    lines = [f"GET {url.target} HTTP/1.1", f"Host: {host or hostport.join(url.host, url.port)}"]
    lines += [f"User-Agent: {agent}"] if agent else []
    if not own.setdefault("Accept", ["*/*"])[0]:
        del own["Accept"]
    for name in ("Content-Length", "Transfer-Encoding", "Trailer"):  # a request without a body has none
        own.pop(name, None)
    lines += [f"{name}: {value}" for name in sorted(own) for value in own[name]]
    return "\r\n".join([*lines, asker.field, "\r\n"]).encode(errors="surrogateescape")
