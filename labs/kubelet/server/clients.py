"""TLS of port 10250: the kubelet's certificate, and whom a client's names (`authentication/request/x509`)."""

import re
import shutil
import ssl
from typing import TYPE_CHECKING, Any

from labs import tls
from labs.golang.tlsoptions import restrict
from labs.kubelet.access import User
from labs.kubelet.hostfs import HostFs
from labs.kubelet.serving_cert import serving_certificate

if TYPE_CHECKING:
    from labs.kubelet.kubelet import Kubelet

#: X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED, …_INVALID_PURPOSE; all else is a chain that leads nowhere.
_WHY = {
    9: "x509: certificate has expired or is not yet valid",
    10: "x509: certificate has expired or is not yet valid",
    26: "x509: certificate specifies an incompatible key usage",
}
#: The extensions' DER: object identifier, lengths, and the 20 bytes of a SHA-1.
_SUBJECT_KEY = rb"\x06\x03\x55\x1d\x0e\x04.\x04\x14(.{20})"
_AUTHORITY_KEY = rb"\x06\x03\x55\x1d\x23\x04.\x30.\x80\x14(.{20})"
_UNKNOWN = "x509: certificate signed by unknown authority"


class BadCertificate(Exception):
    """A certificate that no authority of this cluster has signed for a client, or not for today."""


def server_context(kubelet: "Kubelet", fs: HostFs) -> ssl.SSLContext:
    """Where there is a client CA, clients are asked for a certificate, and may connect with any or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    config = kubelet.config
    pair, _ = serving_certificate(config, fs, kubelet.node_name, kubelet.facts.ips)
    try:
        context.load_cert_chain(pair)
    finally:
        shutil.rmtree(pair.parent)
    restrict(context, config.tls_cipher_suites, config.tls_min_version)
    if config.client_ca_file:
        context.load_verify_locations(cadata=fs.read_text(config.client_ca_file))
        tls.request_client_certificate(context)
    return context


def certified(connection: ssl.SSLObject | None) -> User | None:
    """Whom the client's certificate names: its common name, and its organizations as groups.

    None when it has shown none. Raises BadCertificate.
    """
    certificate = connection.getpeercert() if connection is not None else None
    if connection is None or not certificate:
        return None
    if error := tls.verification_error(connection):
        raise BadCertificate(
            f"verifying certificate {_identifier(connection)} failed: {_WHY.get(error, _UNKNOWN)}"
        )
    names: Any = certificate.get("subject", ())
    subject = [pair for part in names for pair in part]
    name = next((str(value) for key, value in subject if key == "commonName"), "")
    groups = tuple(str(value) for key, value in subject if key == "organizationName")
    return User(name, groups) if name else None


def _identifier(connection: ssl.SSLObject) -> str:
    """Serial number, and the key identifiers of subject and authority."""
    serial = int(str((connection.getpeercert() or {}).get("serialNumber", "0")), 16)
    encoded = connection.getpeercert(binary_form=True) or b""
    found = [re.search(pattern, encoded, re.DOTALL) for pattern in (_SUBJECT_KEY, _AUTHORITY_KEY)]
    subject, authority = (match[1].hex(":").upper() if match else "" for match in found)
    return f"SN={serial}, SKID={subject}, AKID={authority}"
