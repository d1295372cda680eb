"""A server that lets everybody connect, and knows afterwards whose certificate it has seen."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from labs import tls
from labs.nodes import pki
from labs.nodes.pki import CLIENT, SERVER, Authority

UNKNOWN_AUTHORITY, EXPIRED, OTHER_PURPOSE = 21, 10, 26


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whose clients are good; the server's own certificate is in the same folder."""
    ours = Authority.create("kubernetes")
    ours.write(tmp_path, "ca")
    ours.issue("server", [SERVER], alternative_names=["127.0.0.1"]).write(tmp_path, "server")
    return ours


async def seen(folder: Path, client: str | None, version: ssl.TLSVersion) -> tuple[bool, int]:
    """Whether the server got a certificate of the client, and what it thinks of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.load_verify_locations(folder / "ca.crt")
    tls.request_client_certificate(context)
    found: asyncio.Future[tuple[bool, int]] = asyncio.get_running_loop().create_future()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("ssl_object")
        found.set_result((bool(connection.getpeercert()), tls.verification_error(connection)))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    trusting = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    trusting.maximum_version = version
    if client is not None:
        trusting.load_cert_chain(folder / f"{client}.crt", folder / f"{client}.key")
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    result = await found
    await reader.read()
    writer.close()
    server.close()
    return result


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (None, (False, 0)),
        ("ours", (True, 0)),
        ("foreign", (True, UNKNOWN_AUTHORITY)),
        ("expired", (True, EXPIRED)),
        ("server", (True, OTHER_PURPOSE)),
    ],
)
def test_every_client_may_connect_and_its_certificate_is_judged(
    tmp_path: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    client: str | None,
    expected: tuple[bool, int],
    version: ssl.TLSVersion,
) -> None:
    authority.issue("ours", [CLIENT]).write(tmp_path, "ours")
    Authority.create("kubernetes").issue("foreign", [CLIENT]).write(tmp_path, "foreign")
    monkeypatch.setattr(pki, "CERTIFICATE_LIFETIME", timedelta(minutes=-1))
    authority.issue("expired", [CLIENT]).write(tmp_path, "expired")

    assert asyncio.run(seen(tmp_path, client, version)) == expected
