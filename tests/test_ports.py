"""`ports.free_port`: a port is one test's alone, before its server listens and between two of them."""

from __future__ import annotations

import socket

import pytest

from .ports import free_port


def test_a_server_may_listen_on_it_again_and_again() -> None:
    port = free_port()

    for _ in range(2):
        with (
            socket.create_server(("127.0.0.1", port)) as listener,
            socket.create_connection(("127.0.0.1", port)) as client,
        ):
            connection, _ = listener.accept()
            with connection:
                assert connection.getpeername() == client.getsockname()


def test_while_no_server_listens_a_connection_is_refused() -> None:
    port = free_port()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_nobody_else_has_it(address: str) -> None:
    port = free_port()

    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((address, port))
