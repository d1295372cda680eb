"""Client certificates: the CommonName is the user, the Organizations are the groups.

The handshake proves that the client has the key and asks nothing else, so that a certificate that is not
(or no longer) good is answered by 401 and a line in the log. Mirrors
`k8s.io/apiserver/pkg/authentication/request/x509`, and for the log the words of Go's `crypto/x509`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from labs.controlplane.http import Peer

from ..context import User

if TYPE_CHECKING:
    from cryptography import x509

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
#: OpenSSL's X509_V_ERR_INVALID_PURPOSE.
WRONG_PURPOSE = 26
_UNKNOWN = "x509: certificate signed by unknown authority"


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
        now = time.time()
        begins, ends = peer.validity
        if begins <= now <= ends and not peer.fault:
            return ()
        from cryptography import x509

        assert peer.certificate is not None
        certificate = x509.load_der_x509_certificate(peer.certificate)
        if not begins <= now <= ends:
            side, limit = ("before", begins) if now < begins else ("after", ends)
            what = (
                "x509: certificate has expired or is not yet valid: "
                f"current time {_stamp(now)} is {side} {_stamp(limit)}"
            )
            first = what
        else:
            first = _UNKNOWN
            what = "x509: certificate specifies an incompatible key usage"
            if peer.fault != WRONG_PURPOSE:
                what = _UNKNOWN + self._suspicion(certificate)
        own = f"verifying certificate {_identifiers(certificate)} failed: {what}"
        # the certificates of the front proxy are asked first, and say so
        return (first, own) if self.front_proxy else (own,)

    def _suspicion(self, certificate: x509.Certificate) -> str:
        """What Go adds when an authority of the issuer's name is known, and did not sign this."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

        for authority in x509.load_pem_x509_certificates(Path(self.authority).read_bytes()):
            if authority.subject == certificate.issuer:
                names = authority.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
                rsa = isinstance(authority.public_key(), RSAPublicKey)
                why = "crypto/rsa: verification error" if rsa else "x509: ECDSA verification failure"
                name = str(names[0].value) if names else ""
                return (
                    f' (possibly because of "{why}" while trying to verify candidate authority certificate '
                    f'"{name}")'
                )
        return ""


def _identifiers(certificate: x509.Certificate) -> str:
    from cryptography import x509

    subject = authority = b""
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            subject = extension.value.digest
        elif isinstance(extension.value, x509.AuthorityKeyIdentifier):
            authority = extension.value.key_identifier or b""
    shown = [identifier.hex(":").upper() for identifier in (subject, authority)]
    return f"SN={certificate.serial_number}, SKID={shown[0]}, AKID={shown[1]}"


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
