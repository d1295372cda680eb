"""A throw-away PKI with the files and names that kubeadm uses."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = ("127.0.0.1", "localhost", "kubernetes")
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)


def _name(common: str, organizations: tuple[str, ...] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, part) for part in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """A certificate authority that writes PEM pairs below `folder`."""

    def __init__(self, folder: Path, file: str, common: str) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(common, (), _name(common), self._key)
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._certificate = builder.add_extension(identifier, critical=False).sign(self._key, hashes.SHA256())
        self._write(file, self._key, self._certificate)

    def issue(
        self,
        file: str,
        common: str,
        organizations: tuple[str, ...] = (),
        usages: tuple[x509.ObjectIdentifier, ...] = CLIENT,
        hosts: tuple[str, ...] = (),
        hours: tuple[int, int] = (-1, 48),
    ) -> None:
        """Write a certificate and its key; it is valid between two moments told in hours from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(common, organizations, self._certificate.subject, key, hours)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if hosts:
            names: list[x509.GeneralName] = [
                x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
                for host in hosts
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self._write(file, key, builder.sign(self._key, hashes.SHA256()))

    def _builder(
        self,
        common: str,
        organizations: tuple[str, ...],
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        hours: tuple[int, int] = (-1, 48),
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(common, organizations))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(hours=hours[0]))
            .not_valid_after(now + datetime.timedelta(hours=hours[1]))
        )

    def _write(self, file: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        (self._folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self._folder / f"{file}.key").write_bytes(private_pem(key))


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as kubeadm writes it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def write(folder: Path) -> None:
    """The whole of `/etc/kubernetes/pki`, and certificates of the users the tests are."""
    cluster = Authority(folder, "ca", "kubernetes")
    etcd = Authority(folder / "etcd", "ca", "etcd-ca")
    front = Authority(folder, "front-proxy-ca", "front-proxy-ca")
    etcd.issue("server", "cks-control-plane", usages=BOTH, hosts=HOSTS)
    etcd.issue("client", "kube-apiserver-etcd-client")
    front.issue("front-proxy-client", "front-proxy-client")
    cluster.issue("apiserver", "kube-apiserver", usages=SERVER, hosts=HOSTS)
    cluster.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ("kubeadm:cluster-admins",))
    cluster.issue("kubelet-server", "cks-control-plane", usages=SERVER, hosts=HOSTS)
    cluster.issue("admin", "kubernetes-admin", ("kubeadm:cluster-admins",))
    cluster.issue("scheduler", "system:kube-scheduler", ())
    cluster.issue("super-admin", "kubernetes-super-admin", ("system:masters",))
    cluster.issue("node", "system:node:cks-control-plane", ("system:nodes",))
    cluster.issue("other-node", "system:node:worker", ("system:nodes",))
    cluster.issue("judge", "cks-labs:judge", ("system:masters",))
    cluster.issue("nobody", "nobody", ("guests",))
    cluster.issue("expired", "kubernetes-admin", ("system:masters",), hours=(-5, -1))
    cluster.issue("early", "kubernetes-admin", ("system:masters",), hours=(1, 5))
    foreign = Authority(folder / "foreign", "ca", "kubernetes")
    foreign.issue("admin", "kubernetes-admin", ("system:masters",))
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "sa.key").write_bytes(private_pem(key))
    (folder / "sa.pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
