"""A server that lets everybody connect, and knows afterwards whose certificate it has seen."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from labs import tls
from labs.golang.tlsserver import TLSServer, streams
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


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_is_not_believed_is_told_so(
    tmp_path: Path, authority: Authority, version: ssl.TLSVersion
) -> None:
    log: list[str] = []

    async def distrust() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
        told = asyncio.Event()

        def note(line: str) -> None:
            log.append(line)
            told.set()

        listener = socket.create_server(("127.0.0.1", 0))
        server = TLSServer(asyncio.Protocol, listener, context, note)
        client = ssl.create_default_context()
        client.maximum_version = version
        with pytest.raises(ssl.SSLCertVerificationError):
            await tls.connect("127.0.0.1", listener.getsockname()[1], client)
        await told.wait()
        server.close()

    assert authority
    asyncio.run(distrust())

    assert [line.partition(": remote error")[2] for line in log] == [": tls: bad certificate"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_that_is_believed_is_connected(tmp_path: Path, authority: Authority, host: str) -> None:
    authority.issue("server", [SERVER], alternative_names=["127.0.0.1", "localhost"]).write(
        tmp_path, "server"
    )

    async def connect() -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")

        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            writer.close()

        listener = socket.create_server(("127.0.0.1", 0))
        server = TLSServer(streams(greet, 1 << 16), listener, context)
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        reader, writer = await tls.connect(host, listener.getsockname()[1], trusting)
        said = await reader.read()
        writer.close()
        server.close()
        return said

    assert asyncio.run(connect()) == b"hello"


@pytest.mark.parametrize("before", [None, "/etc/none.crt"])
def test_the_machines_authorities_are_left_out_only_meanwhile(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    if before is None:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    else:
        before = str(tmp_path / "ca.crt")
        monkeypatch.setenv("SSL_CERT_FILE", before)

    with tls.no_default_authorities():
        within = ssl.create_default_context()

    assert within.cert_store_stats()["x509_ca"] == 0
    assert os.environ.get("SSL_CERT_FILE") == before
    if before is not None:
        assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize(
    "started",
    [
        "import labs.controlplane.http",
        "import asyncio; from labs.golang.kubeconfig import RestConfig; "
        "from labs.kubelet.api_client import ApiClient; "
        "asyncio.run(ApiClient(RestConfig('http://h:1'), None)._http())",
    ],
)
def test_what_speaks_http_does_not_begin_with_reading_the_machines_authorities(
    authority: Authority, tmp_path: Path, started: str
) -> None:
    script = (
        f"{started}; import gc, ssl; "
        "print(sum(each.cert_store_stats()['x509'] for each in gc.get_objects() "
        "if isinstance(each, ssl.SSLContext)), 'aiohttp.connector' in __import__('sys').modules)"
    )
    environment = {**os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.crt")}

    told = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )

    assert told.stdout.split() == ["0", "True"]
