"""Connections that cannot be had, as Go tells of them."""

import errno
import socket

import pytest

from labs.golang import dialerrors

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (REFUSED, "dial tcp web:80: connect: connection refused"),
        (OSError(errno.EHOSTUNREACH, ""), "dial tcp web:80: connect: no route to host"),
        (OSError("Multiple exceptions"), "dial tcp web:80: Multiple exceptions"),
    ],
)
def test_a_connection_that_was_not_made_is_told(error: OSError, said: str) -> None:
    assert dialerrors.dial(error, "web", 80) == said


def test_a_host_that_nobody_knows_is_told_with_the_server_that_was_asked() -> None:
    assert dialerrors.lookup("web", "search x\nnameserver 10.0.0.2\n") == (
        "dial tcp: lookup web on 10.0.0.2:53: no such host"
    )
    assert dialerrors.dial(UNKNOWN, "web", 80) == dialerrors.lookup("web")


def test_a_connection_that_broke_is_told_with_both_of_its_ends() -> None:
    assert dialerrors.read(ConnectionResetError(errno.ECONNRESET, ""), "10.0.0.1:1", "10.0.0.2:80") == (
        "read tcp 10.0.0.1:1->10.0.0.2:80: read: connection reset by peer"
    )
