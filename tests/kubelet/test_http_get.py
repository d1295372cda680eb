"""Requests as probes and hooks write them, byte for byte; recorded from a kubelet 1.36.2."""

import asyncio
import re
import socket
import ssl
import struct
import threading
from pathlib import Path

import pytest

from labs.kubelet.http_get import HOOK, PROBE, Asker, HttpFailure, http_get
from labs.kubelet.pod.model import HttpGet
from labs.nodes.pki import write_kubelet_serving_pair
from tests.kubelet.test_prober import serving

Fields = tuple[tuple[str, str], ...]


def request(path: str, fields: Fields = (), asker: Asker = PROBE) -> str:
    """What a server is asked; `PORT` stands for its own."""

    async def check() -> str:
        async with serving(b"HTTP/1.1 200 OK\r\n\r\n") as (port, asked):
            action = HttpGet(path, port, "HTTP", "", fields)
            await http_get(action, "127.0.0.1", port, asker, 2)
            return asked[0].decode().replace(str(port), "PORT")

    return asyncio.run(check())


def test_a_probe_says_who_it_is_and_that_it_asks_once() -> None:
    assert request("/a b") == (
        "GET /a%20b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n"
    )


def test_a_hook_says_who_it_is() -> None:
    assert request("/hook", asker=HOOK) == (
        "GET /hook HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: kube-lifecycle/1.36\r\nAccept: */*\r\n"
        "Accept-Encoding: gzip\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ((("host", "h.example"),), "Host: h.example\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"),
        ((("Host", ""),), "Host: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"),
        ((("User-Agent", ""),), "Host: 127.0.0.1:PORT\r\nAccept: */*\r\n"),
        ((("User-Agent", "me"),), "Host: 127.0.0.1:PORT\r\nUser-Agent: me\r\nAccept: */*\r\n"),
        ((("Accept", ""),), "Host: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\n"),
        (
            (("accept", "b"), ("Accept", "c")),
            "Host: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\nAccept: b\r\nAccept: c\r\n",
        ),
        (
            (("X-A", "1"), ("x-a", "2"), ("x-1b", " sp ")),
            "Host: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nX-1b: sp\r\n"
            "X-A: 1\r\nX-A: 2\r\n",
        ),
        (
            (("Connection", "keep-alive"),),
            "Host: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n"
            "Connection: keep-alive\r\n",
        ),
        (
            (("Content-Length", "3"), ("Transfer-Encoding", "chunked")),
            "Host: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n",
        ),
    ],
)
def test_the_fields_of_an_action_stand_where_go_writes_them(fields: Fields, written: str) -> None:
    assert request("/h", fields) == f"GET /h HTTP/1.1\r\n{written}Connection: close\r\n\r\n"


@pytest.mark.parametrize("scheme", ["HTTP", "HTTPS"])
def test_a_connection_that_is_reset_is_told_of_with_both_its_ends(scheme: str, tmp_path: Path) -> None:
    write_kubelet_serving_pair(tmp_path, "node", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "kubelet.crt", tmp_path / "kubelet.key")

    def reset() -> None:
        """Take one request and break off."""
        connection, _ = listener.accept()
        if scheme == "HTTPS":
            connection = context.wrap_socket(connection, server_side=True)
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = threading.Thread(target=reset)
        server.start()
        with pytest.raises(HttpFailure) as failure:
            asyncio.run(http_get(HttpGet("/", port, scheme, "", ()), "127.0.0.1", port, PROBE, 5))
        server.join()

    why = rf"read tcp 127\.0\.0\.1:\d+->127\.0\.0\.1:{port}: read: connection reset by peer"
    assert re.fullmatch(rf'Get "{scheme.lower()}://127\.0\.0\.1:{port}/": {why}', str(failure.value))
