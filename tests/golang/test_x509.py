"""What clients say of a server's certificate, worded as components 1.36 and kubectl 1.37 were seen to do."""

from __future__ import annotations

import asyncio
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labs import tls

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
FAILED = "tls: failed to verify certificate: x509:"


class Authority:
    """Signs certificates under the name `kubernetes`."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(_name("kubernetes"), self.key, (NOW - DAY, NOW + DAY)).sign(
            self.key, hashes.SHA256()
        )

    def issue(
        self,
        folder: Path,
        *names: str,
        usage: x509.ObjectIdentifier = SERVER,
        valid: tuple[datetime, datetime] = (NOW - DAY, NOW + DAY),
        common: str = "kube-apiserver",
    ) -> ssl.SSLContext:
        """A server's context with a certificate for `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._signed(_name(common), key, valid)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            shown = [_alternative(name) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(shown), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        (folder / "s.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / "s.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "s.crt", folder / "s.key")
        return context

    def trusted(self) -> ssl.SSLContext:
        """A client's context."""
        data = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=data)

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid: tuple[datetime, datetime]
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("kubernetes"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(valid[0])
            .not_valid_after(valid[1])
            .add_extension(x509.BasicConstraints(ca=key is self.key, path_length=None), critical=True)
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def said(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "127.0.0.1") -> str:
    """Why a client does not go on with a server; nothing when it does."""

    async def connect() -> str:
        serving = await asyncio.start_server(lambda _, writer: writer.close(), host, 0, ssl=server)
        port = serving.sockets[0].getsockname()[1]
        try:
            _, writer = await tls.connect(host, port, client)
        except ssl.SSLError as error:
            return tls.explain(error, client, host)
        else:
            writer.close()
            return ""
        finally:
            serving.close()

    return asyncio.run(connect())


@pytest.fixture
def authority() -> Authority:
    return Authority()


def test_a_good_certificate_is_believed(authority: Authority, tmp_path: Path) -> None:
    client = authority.trusted()
    assert said(authority.issue(tmp_path, "127.0.0.1"), client) == ""
    assert said(authority.issue(tmp_path, "localhost"), client, "localhost") == ""
    assert client.verify_mode is ssl.CERT_REQUIRED


def test_another_address_is_not_the_servers(authority: Authority, tmp_path: Path) -> None:
    server = authority.issue(tmp_path, "kubernetes", "10.96.0.1", "172.18.0.5")

    why = "certificate is valid for 10.96.0.1, 172.18.0.5, not 127.0.0.1"
    assert said(server, authority.trusted()) == f"{FAILED} {why}"


def test_a_certificate_for_names_alone_is_for_no_address(authority: Authority, tmp_path: Path) -> None:
    server = authority.issue(tmp_path, "kubernetes")

    why = "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"
    assert said(server, authority.trusted()) == f"{FAILED} {why}"


@pytest.mark.parametrize(
    ("names", "common", "why"),
    [
        (["kubernetes", "*.svc"], "a", "certificate is valid for kubernetes, *.svc, not localhost"),
        (["10.96.0.1"], "a", "certificate is not valid for any names, but wanted to match localhost"),
        ([], "a", "certificate is not valid for any names, but wanted to match localhost"),
        ([], "localhost", "certificate relies on legacy Common Name field, use SANs instead"),
    ],
)
def test_another_name_is_not_the_servers(
    authority: Authority, tmp_path: Path, names: list[str], common: str, why: str
) -> None:
    server = authority.issue(tmp_path, *names, common=common)

    assert said(server, authority.trusted(), "localhost") == f"{FAILED} {why}"


def test_a_clients_certificate_is_no_servers(authority: Authority, tmp_path: Path) -> None:
    server = authority.issue(tmp_path, "127.0.0.1", usage=CLIENT)

    why = "certificate specifies an incompatible key usage"
    assert said(server, authority.trusted()) == f"{FAILED} {why}"


@pytest.mark.parametrize(
    ("begins", "ends", "side"), [(NOW - 2 * DAY, NOW - DAY, "after"), (NOW + DAY, NOW + 2 * DAY, "before")]
)
def test_a_certificate_is_for_its_days(
    authority: Authority, tmp_path: Path, begins: datetime, ends: datetime, side: str
) -> None:
    server = authority.issue(tmp_path, valid=(begins, ends))

    limit = ends if side == "after" else begins
    head, _, tail = said(server, authority.trusted()).partition(": current time ")
    assert head == f"{FAILED} certificate has expired or is not yet valid"
    assert tail[21:] == f"is {side} {limit:%Y-%m-%dT%H:%M:%SZ}"


def test_an_authority_of_the_same_name_is_suspected(authority: Authority, tmp_path: Path) -> None:
    server = Authority().issue(tmp_path, "127.0.0.1")

    assert said(server, authority.trusted()) == (
        f'{FAILED} certificate signed by unknown authority (possibly because of "x509: ECDSA verification '
        'failure" while trying to verify candidate authority certificate "kubernetes")'
    )


def test_each_context_remembers_its_own_servers(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.trusted(), authority.trusted()
    said(authority.issue(tmp_path, "10.0.0.1"), one)
    results: list[str] = []
    server = authority.issue(tmp_path, "10.0.0.2")
    thread = threading.Thread(target=lambda: results.append(said(server, other)))
    thread.start()
    thread.join()

    assert results == [f"{FAILED} certificate is valid for 10.0.0.2, not 127.0.0.1"]
    assert said(authority.issue(tmp_path, "10.0.0.3"), one) == (
        f"{FAILED} certificate is valid for 10.0.0.3, not 127.0.0.1"
    )
