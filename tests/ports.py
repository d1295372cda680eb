"""TCP ports for the servers of tests, which run beside one another and beside other clones' tests."""

from __future__ import annotations

import socket

#: What keeps the ports given out, as long as the tests run.
_kept: list[socket.socket] = []


def free_port() -> int:
    """A port nobody listens on and nobody else is given while the tests run, not even a connection.

    A socket is bound to it, on all addresses, and does not listen. It is bound without SO_REUSEADDR, so that
    no other may have the port, and gets that afterwards, so that a server may listen that sets it too, as
    those of Go and asyncio do.
    """
    if socket.has_dualstack_ipv6():
        keeper = socket.socket(socket.AF_INET6)
        keeper.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        keeper.bind(("::", 0))
    else:
        keeper = socket.socket()
        keeper.bind(("0.0.0.0", 0))
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _kept.append(keeper)
    return int(keeper.getsockname()[1])
