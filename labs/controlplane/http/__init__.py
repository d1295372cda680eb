"""HTTP/1.1 over asyncio, just what a control-plane process needs of it.

Parsing is llhttp's (`httptools`); what is written here is the part around it: one task per connection,
streaming bodies, TLS peers, a client with kept connections. A complete framework costs the API server
a third of a second of imports and 20 MB at every (re)start, and a control plane that is taken apart by
students all day restarts often.
"""

from ._client import Client, ConnectionFailed, Reply
from ._server import BODY_LIMIT, Handler, Peer, Request, Response, serve

__all__ = [
    "BODY_LIMIT",
    "Client",
    "ConnectionFailed",
    "Handler",
    "Peer",
    "Reply",
    "Request",
    "Response",
    "serve",
]
