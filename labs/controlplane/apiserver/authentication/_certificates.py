"""Client certificates: the CommonName is the user, the Organizations are the groups.

The handshake proves that the client has the key and asks nothing else, so that a certificate that is not
(or no longer) good is answered by 401 and a line in the log. Mirrors
`k8s.io/apiserver/pkg/authentication/request/x509`, and for the log the words of Go's `crypto/x509`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from labs.controlplane.http import Peer
from labs.golang import x509

from ..context import User

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class CertificateError(Exception):
    """A certificate that is not accepted; its arguments say why, for the server's log."""


@dataclass(frozen=True)
class Certificates:
    """Judges what clients show; `authority` is `--client-ca-file`, `front_proxy` whether there is another."""

    authority: str
    front_proxy: bool = False

    def user(self, peer: Peer) -> User | None:
        """Whose certificate it is; None without one. Raises `CertificateError` when it is not good."""
        if peer.certificate is None:
            return None
        if faults := self._faults(peer):
            raise CertificateError(*faults)
        name = next((value for kind, value in peer.subject if kind == "commonName"), "")
        if not name:
            return None
        groups = tuple(value for kind, value in peer.subject if kind == "organizationName")
        identity = f"X509SHA256={sha256(peer.certificate).hexdigest()}"
        return User(name, groups, {CREDENTIAL_ID: [identity]})

    def _faults(self, peer: Peer) -> tuple[str, ...]:
        now = datetime.now(UTC)
        begins, ends = (datetime.fromtimestamp(moment, UTC) for moment in peer.validity)
        if begins <= now <= ends and not peer.fault:
            return ()
        from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificates

        assert peer.certificate is not None
        certificate = load_der_x509_certificate(peer.certificate)
        if what := x509.validity_fault(begins, ends, now):
            first = what
        else:
            first = x509.UNKNOWN_AUTHORITY
            what = x509.WRONG_PURPOSE
            if peer.fault != x509.INVALID_PURPOSE:
                known = load_pem_x509_certificates(Path(self.authority).read_bytes())
                what = x509.UNKNOWN_AUTHORITY + x509.suspicion(certificate, known)
        own = f"verifying certificate {_identifiers(certificate)} failed: {what}"
        # the certificates of the front proxy are asked first, and say so
        return (first, own) if self.front_proxy else (own,)


def _identifiers(certificate: Certificate) -> str:
    from cryptography.x509 import AuthorityKeyIdentifier, SubjectKeyIdentifier

    subject = authority = b""
    for extension in certificate.extensions:
        if isinstance(extension.value, SubjectKeyIdentifier):
            subject = extension.value.digest
        elif isinstance(extension.value, AuthorityKeyIdentifier):
            authority = extension.value.key_identifier or b""
    shown = [identifier.hex(":").upper() for identifier in (subject, authority)]
    return f"SN={certificate.serial_number}, SKID={shown[0]}, AKID={shown[1]}"
