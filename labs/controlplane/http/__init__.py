"""HTTP as the control plane's processes need it: requests and responses as values, over aiohttp.

The API server's own code never meets aiohttp: a handler takes a `Request` and returns a `Response`, a
`Client` speaks to one server and says of every failure whether the request may have been acted on.
"""

from labs.tls import no_default_authorities

with no_default_authorities():
    import aiohttp  # noqa: F401  (for the modules below, which import it the usual way)

from ._client import Client, ConnectionFailed, Reply
from ._server import BODY_LIMIT, Handler, Peer, Request, Response, Takeover, serve

__all__ = [
    "BODY_LIMIT",
    "Client",
    "ConnectionFailed",
    "Handler",
    "Peer",
    "Reply",
    "Request",
    "Response",
    "Takeover",
    "serve",
]
