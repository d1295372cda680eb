"""Why no connection can be had, in the words that the real API server was seen to have for etcd."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from labs.controlplane.http import Client, ConnectionFailed
from labs.controlplane.nethttp import Failure, Pool
from labs.golang import dialerrors

from .plane import Plane

NOWHERE = "etcd.nowhere.invalid"
HANDSHAKE = "transport: authentication handshake failed: "


def _context(authority: Path, pair: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    if pair is not None:
        context.load_cert_chain(f"{pair}.crt", f"{pair}.key")
    return context


def failure(host: str, port: int, context: ssl.SSLContext | None = None) -> str:
    """What the API server's client says."""

    async def ask() -> None:
        client = Client(host, port, context=context)
        try:
            await client.request("POST", "/v3/kv/range", b"{}")
        finally:
            await client.close()

    with pytest.raises(ConnectionFailed) as failed:
        asyncio.run(ask())
    return str(failed.value)


def test_an_authority_that_has_not_signed_etcds_certificate(plane: Plane) -> None:
    why = failure("127.0.0.1", plane.etcd_port, _context(plane.pki / "ca.crt"))

    assert (
        why == f"{HANDSHAKE}tls: failed to verify certificate: x509: certificate signed by unknown authority"
    )


def test_a_certificate_that_etcds_authority_has_not_signed(plane: Plane) -> None:
    why = failure("127.0.0.1", plane.etcd_port, _context(plane.pki / "etcd/ca.crt", plane.pki / "admin"))

    assert why == f"{HANDSHAKE}remote error: tls: bad certificate"


def test_a_name_that_nobody_knows() -> None:
    async def ask() -> None:
        async with Pool(NOWHERE, 6443, None).request("GET", "/", {}):
            pass

    with pytest.raises(Failure) as failed:
        asyncio.run(ask())
    assert str(failed.value) == failure(NOWHERE, 2379) == dialerrors.lookup(NOWHERE)


@pytest.mark.parametrize(
    ("conf", "asked"),
    [
        ("search local\nnameserver 10.255.255.53\nnameserver 1.1.1.1\n", "10.255.255.53:53"),
        ("nameserver fd00::53\n", "[fd00::53]:53"),
        ("", "127.0.0.1:53"),
    ],
)
def test_the_first_server_that_is_asked_for_a_name_is_told(conf: str, asked: str) -> None:
    assert dialerrors.lookup("a.b", conf) == f"dial tcp: lookup a.b on {asked}: no such host"
