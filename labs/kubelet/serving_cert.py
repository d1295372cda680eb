"""The certificate the kubelet serves with: the configured one, or one it signs itself."""

import datetime
import ipaddress
import tempfile
from pathlib import Path

from labs.kubelet.config import KubeletConfig
from labs.kubelet.hostfs import HostFs


def serving_certificate(
    config: KubeletConfig, fs: HostFs, node_name: str, ips: tuple[str, ...]
) -> tuple[Path, Path | None]:
    """Paths for `load_cert_chain`. Raises OSError when the configured files are not there."""
    if config.tls_cert_file:
        pem = fs.read_bytes(config.tls_cert_file) + b"\n" + fs.read_bytes(config.tls_private_key_file)
    else:
        pem = _own(config, fs, node_name, ips)
    folder = Path(tempfile.mkdtemp(prefix="kubelet-"))
    path = folder / "serving.pem"
    path.touch(0o600)
    path.write_bytes(pem)
    return path, None


def _own(config: KubeletConfig, fs: HostFs, node_name: str, ips: tuple[str, ...]) -> bytes:
    folder = f"{config.root_dir}/pki"
    certificate, key = f"{folder}/kubelet.crt", f"{folder}/kubelet.key"
    if fs.kind(certificate) != "file" or fs.kind(key) != "file":
        fs.makedirs(folder)
        pem, key_pem = self_signed(node_name, ips)
        fs.write_bytes(certificate, pem)
        fs.write_bytes(key, key_pem, 0o600)
    return fs.read_bytes(certificate) + b"\n" + fs.read_bytes(key)


def self_signed(node_name: str, ips: tuple[str, ...]) -> tuple[bytes, bytes]:
    """A new certificate and its key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{node_name}@{int(now.timestamp())}")])
    names: list[x509.GeneralName] = [x509.DNSName(node_name)]
    names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
