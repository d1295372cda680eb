"""The TCP port that a component serves on."""

from __future__ import annotations

import os
import socket

from labs.golang import hostport

_BACKLOG = 256


class ListenError(Exception):
    """The port cannot be had; the message is that of the real components."""


def listen(host: str, port: int) -> socket.socket:
    """Listen on `host`; "0.0.0.0" stands, as in Go, for all addresses of both families.

    Answers go out at once, as Go's do: what is said in two pieces (TLS session tickets and the first answer)
    would else wait 40 ms for the client's delayed acknowledgement. Raises `ListenError`.
    """
    address = hostport.join(host, port)
    everywhere = host in ("", "0.0.0.0", "::")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if everywhere and socket.has_dualstack_ipv6():
        family, host = socket.AF_INET6, "::"
    try:
        listener = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=everywhere and ":" in host
        )
    except OSError as error:
        reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
        why = f"listen tcp {address}: bind: {reason}"
        raise ListenError(f"failed to create listener: failed to listen on {address}: {why}") from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits that
    return listener
