"""The certificates of a cluster, as `kubeadm init` lays them out in /etc/kubernetes/pki.

Three authorities (the cluster's, etcd's, the front proxy's) sign the certificates that the control plane,
the kubelet and the administrators show each other. Names, subjects, alternative names and key usages are
kubeadm's, so that what a student reads off a certificate here holds on a real node. All keys are on the
P-256 curve (kubeadm's `encryptionAlgorithm: ECDSA-P256`), because RSA keys would cost most of a boot.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labs.nodes.files import make_directory, write_file

AUTHORITY_LIFETIME = timedelta(days=3650)
CERTIFICATE_LIFETIME = timedelta(days=365)
#: How far certificates reach back, so that a clock a little behind does not refuse them.
BACKDATE = timedelta(minutes=5)

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH

#: New keys are EC keys; an authority that kubeadm made on its own has an RSA key.
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return private_pem(self.key)

    def write(self, directory: Path, name: str, mode: int = 0o644) -> None:
        """Write NAME.crt, readable for all unless `mode` says otherwise, and NAME.key, for root only."""
        write_file(directory / f"{name}.crt", self.certificate_pem, mode)
        write_file(directory / f"{name}.key", self.key_pem, 0o600)


@dataclass(frozen=True)
class Authority(Pair):
    """A certificate authority: a pair that signs others."""

    @classmethod
    def create(cls, name: str) -> Self:
        """A new self-signed authority called `name`."""
        key = new_key()
        subject = distinguished_name(name)
        builder = (
            _builder(subject, subject, key, AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(_alternative_names([name]), critical=False)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, directory: Path, name: str = "ca") -> Self:
        """The authority whose NAME.crt and NAME.key are in `directory`."""
        certificate = x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())
        key = serialization.load_pem_private_key((directory / f"{name}.key").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise TypeError(f"{directory / name}.key: expected an EC or RSA key, found {type(key).__name__}")
        return cls(certificate, key)

    def issue(
        self,
        common_name: str,
        usages: Sequence[x509.ObjectIdentifier],
        *,
        organization: str | None = None,
        alternative_names: Sequence[str] = (),
    ) -> Pair:
        """A certificate for `common_name`, good for `usages`, reachable under `alternative_names`."""
        key = new_key()
        subject = distinguished_name(common_name, organization)
        builder = (
            _builder(subject, self.certificate.subject, key, CERTIFICATE_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if alternative_names:
            builder = builder.add_extension(_alternative_names(alternative_names), critical=False)
        return Pair(builder.sign(self.key, hashes.SHA256()), key)


@dataclass(frozen=True)
class ClusterPki:
    """The authorities of a cluster that its kubeconfigs and further nodes are signed with."""

    cluster: Authority
    etcd: Authority
    front_proxy: Authority

    @classmethod
    def create(cls) -> Self:
        return cls(
            Authority.create("kubernetes"), Authority.create("etcd-ca"), Authority.create("front-proxy-ca")
        )

    def write(self, directory: Path, node: str, address: str, service_address: str) -> None:
        """Fill /etc/kubernetes/pki (`directory`) of the control-plane node `node` at `address`."""
        make_directory(directory)
        etcd = make_directory(directory / "etcd")
        self.cluster.write(directory, "ca")
        self.front_proxy.write(directory, "front-proxy-ca")
        self.etcd.write(etcd, "ca")

        write_serving_pair(self.cluster, directory, node, address, service_address)
        self.cluster.issue(
            "kube-apiserver-kubelet-client", [CLIENT], organization="kubeadm:cluster-admins"
        ).write(directory, "apiserver-kubelet-client")
        self.front_proxy.issue("front-proxy-client", [CLIENT]).write(directory, "front-proxy-client")

        write_etcd_pairs(self.etcd, etcd, node, address)
        self.etcd.issue("kube-etcd-healthcheck-client", [CLIENT]).write(etcd, "healthcheck-client")
        self.etcd.issue("kube-apiserver-etcd-client", [CLIENT]).write(directory, "apiserver-etcd-client")

        service_accounts = new_key()
        write_file(directory / "sa.key", private_pem(service_accounts), 0o600)
        write_file(directory / "sa.pub", public_pem(service_accounts))


def write_serving_pair(
    authority: Authority, directory: Path, node: str, address: str, service_address: str
) -> None:
    """The certificate that the API server of `node` shows, by all the names it is reached under."""
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    reachable = [node, *service, "kubernetes.default.svc.cluster.local", "localhost"]
    names = [*reachable, service_address, address, "127.0.0.1"]
    authority.issue("kube-apiserver", [SERVER], alternative_names=names).write(directory, "apiserver")


def write_etcd_pairs(authority: Authority, directory: Path, node: str, address: str) -> None:
    """The certificates that the etcd of `node` shows to its clients and to other members."""
    member = [node, "localhost", address, "127.0.0.1", "::1"]
    for name in ("server", "peer"):
        authority.issue(node, [SERVER, CLIENT], alternative_names=member).write(directory, name)


def write_kubelet_serving_pair(directory: Path, node: str, address: str) -> None:
    """The certificate of port 10250: as on a kubeadm node, signed by nobody but the kubelet itself."""
    created = int(datetime.now(UTC).timestamp())
    authority = Authority.create(f"{node}-ca@{created}")
    pair = authority.issue(f"{node}@{created}", [SERVER], alternative_names=[node, address])
    make_directory(directory)
    pair.write(directory, "kubelet")
    write_file(directory / "kubelet.crt", pair.certificate_pem + authority.certificate_pem)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def distinguished_name(common_name: str, organization: str | None = None) -> x509.Name:
    """O and CN in the order Kubernetes writes them: they are the groups and the name of a user."""
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    start = datetime.now(UTC).replace(microsecond=0) - BACKDATE
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + BACKDATE + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative_name(name) for name in names])


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
