"""What `kubectl logs` comes in by: certificates, who may, and a container's log."""

import asyncio
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from labs.kubelet.config import KubeletConfig
from labs.kubelet.container_logs import LogOptions, read_log
from labs.kubelet.hostfs import HostFs
from labs.kubelet.server import KubeletServer
from labs.kubelet.serving_cert import self_signed

LOG = b"""2026-11-23T17:55:13.000000001Z stdout F one
2026-11-23T17:55:14.000000001Z stdout P tw
2026-11-23T17:55:14.000000002Z stdout F o
2026-11-23T17:55:15.000000001Z stderr F three
"""


def logged(tmp_path: Path, options: LogOptions, content: bytes = LOG) -> str:
    """The text that a log shows."""
    (tmp_path / "0.log").write_bytes(content)

    async def collect() -> bytes:
        parts = [p async for p in read_log(HostFs(str(tmp_path)), "/0.log", options, lambda: False)]
        return b"".join(parts)

    return asyncio.run(collect()).decode()


def test_a_log_is_shown_without_the_runtimes_columns(tmp_path: Path) -> None:
    assert logged(tmp_path, LogOptions()) == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("lines", "shown"), [(0, ""), (1, "three\n"), (3, "two\nthree\n"), (99, "one\ntwo\nthree\n")]
)
def test_only_the_last_lines(tmp_path: Path, lines: int, shown: str) -> None:
    assert logged(tmp_path, LogOptions(tail=lines)) == shown


def test_the_last_lines_of_a_log_longer_than_a_block(tmp_path: Path) -> None:
    content = b"".join(b"2026-11-23T17:55:13Z stdout F line %d\n" % i for i in range(5000))

    assert logged(tmp_path, LogOptions(tail=2), content) == "line 4998\nline 4999\n"


def test_with_timestamps_and_a_limit_of_bytes(tmp_path: Path) -> None:
    assert (
        logged(tmp_path, LogOptions(timestamps=True, limit_bytes=34)) == "2026-11-23T17:55:13.000000001Z one"
    )


def test_following_ends_with_the_container(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(LOG)
    ended = asyncio.Event()

    def alive() -> bool:
        return not ended.is_set()

    async def follow() -> bytes:
        shown = b""
        async for text in read_log(HostFs(str(tmp_path)), "/0.log", LogOptions(follow=True, tail=0), alive):
            shown += text
            ended.set()
        return shown

    async def both() -> bytes:
        following = asyncio.create_task(follow())
        await asyncio.sleep(0)
        with log.open("ab") as file:
            file.write(b"2026-11-23T17:55:16Z stdout F late\n")
        return await following

    assert asyncio.run(asyncio.wait_for(both(), 20)) == b"late\n"


class Authority:
    """A certificate authority for clients."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        self.path = folder / "ca.crt"
        certificate = self._sign(self._name, self._key, authority=True)
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, authority: bool) -> x509.Certificate:
        from tests.kubelet.node import START

        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(START.replace(year=2020)).not_valid_after(START.replace(year=2100))
        builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
        return builder.sign(self._key, hashes.SHA256())

    def client(self, name: str, group: str | None = None) -> ssl.SSLContext:
        """A client of this name, which trusts any server."""
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if group:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name(attributes), key, authority=False)
        path = self._folder / f"{name}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
        context = anyone()
        context.load_cert_chain(path)
        return context


def anyone() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Nobody:
    """An API server that allows nobody anything."""

    async def request(self, *_: object) -> dict[str, Any]:
        return {"status": {"allowed": False}}


async def ask(folder: Path, authority: Authority, client: ssl.SSLContext) -> tuple[int, str]:
    """Status and text of GET /healthz on a kubelet's server."""
    import aiohttp

    certificate, key = self_signed("node-1", ("127.0.0.1",))
    (folder / "serving.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "serving.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(authority.path)
    config = KubeletConfig(client_ca_file=str(authority.path))
    kubelet: Any = SimpleNamespace(config=config, api=_Nobody(), node_name="node-1")
    runner = web.AppRunner(KubeletServer(kubelet, HostFs(str(folder))).application(web))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        url = f"https://127.0.0.1:{port}/healthz"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=client) as response:
            return response.status, await response.text()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("name", "group", "expected"),
    [
        ("kubernetes-super-admin", "system:masters", (200, "ok")),
        (
            "mallory",
            "system:nodes",
            (403, "Forbidden (user=mallory, verb=get, resource=nodes, subresource(s)=[healthz proxy])\n"),
        ),
    ],
)
def test_a_certificate_of_the_cluster_is_asked_for(
    tmp_path: Path, name: str, group: str | None, expected: tuple[int, str]
) -> None:
    authority = Authority(tmp_path)

    assert asyncio.run(ask(tmp_path, authority, authority.client(name, group))) == expected


def test_without_a_certificate_nothing_is_told(tmp_path: Path) -> None:
    assert asyncio.run(ask(tmp_path, Authority(tmp_path), anyone())) == (401, "Unauthorized")
