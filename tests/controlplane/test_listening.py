"""The port a component serves on."""

import socket
from contextlib import closing

import pytest

from labs.controlplane.listening import ListenError, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_answers_go_out_at_once(host: str) -> None:
    with closing(listen(host, 0)) as listener:
        address = ("::1" if host == "::1" else "127.0.0.1", listener.getsockname()[1])
        with socket.create_connection(address), closing(listener.accept()[0]) as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_all_addresses_are_those_of_both_families() -> None:
    with closing(listen("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, port)):
                pass


def test_a_taken_port_is_told_in_the_words_of_go() -> None:
    with closing(listen("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ListenError) as refused:
            listen(*listener.getsockname())
    why = f"listen tcp {address}: bind: address already in use"
    assert str(refused.value) == f"failed to create listener: failed to listen on {address}: {why}"
