"""What Go's `crypto/x509` has against a certificate (`Certificate.Verify`) or a request for one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labs.golang.pem import blocks

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

UNKNOWN_AUTHORITY = "x509: certificate signed by unknown authority"
WRONG_PURPOSE = "x509: certificate specifies an incompatible key usage"
#: OpenSSL's number for a certificate that is not for this (X509_V_ERR_INVALID_PURPOSE).
INVALID_PURPOSE = 26
_ECDSA = "x509: ECDSA verification failure"


class RequestError(Exception):
    """What is no request for a certificate, or not signed by whose key is in it."""


def read_request(pem: bytes) -> x509.CertificateSigningRequest:
    """A request for a certificate (`ParseCertificateRequest` and `CheckSignature`). Raises `RequestError`."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    if next(iter(blocks(pem)), "") != "CERTIFICATE REQUEST":
        raise RequestError("PEM block type must be CERTIFICATE REQUEST")
    try:
        request = x509.load_pem_x509_csr(pem)
        signed = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestError("asn1: structure error: not a certificate request") from error
    if not signed:
        raise RequestError(_unsigned(request.public_key()))
    return request


def organizations(request: x509.CertificateSigningRequest) -> list[str]:
    """Of the subject: what groups Kubernetes takes it to be in."""
    from cryptography.x509 import NameOID

    return [str(name.value) for name in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def _unsigned(key: CertificatePublicKeyTypes) -> str:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    return "crypto/rsa: verification error" if isinstance(key, RSAPublicKey) else _ECDSA


def server_fault(leaf: bytes, authorities: Iterable[bytes], host: str, code: int, now: datetime) -> str:
    """Why a server's certificate is refused by who wanted to reach `host`.

    Both are DER; `code` is what OpenSSL found wrong. Go looks at the certificate itself before its chain.
    """
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(leaf)
    if why := validity_fault(certificate.not_valid_before_utc, certificate.not_valid_after_utc, now):
        return why
    if why := _name_fault(certificate, host):
        return why
    if code == INVALID_PURPOSE:
        return WRONG_PURPOSE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of oddities in the system's own authorities
        known = [x509.load_der_x509_certificate(each) for each in authorities]
    return UNKNOWN_AUTHORITY + suspicion(certificate, known)


def validity_fault(begins: datetime, ends: datetime, now: datetime) -> str:
    """Nothing while a certificate is valid."""
    if begins <= now <= ends:
        return ""
    side, limit = ("before", begins) if now < begins else ("after", ends)
    shown = f"current time {_stamp(now)} is {side} {_stamp(limit)}"
    return f"x509: certificate has expired or is not yet valid: {shown}"


def suspicion(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> str:
    """What Go adds when an authority of the issuer's name is known, and did not sign this."""
    from cryptography.x509 import NameOID

    for authority in authorities:
        if authority.subject == certificate.issuer:
            names = authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            why = _unsigned(authority.public_key())
            name = str(names[0].value) if names else ""
            return (
                f' (possibly because of "{why}" while trying to verify candidate authority certificate '
                f'"{name}")'
            )
    return ""


def _name_fault(certificate: x509.Certificate, host: str) -> str:
    """`VerifyHostname`."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        if any(_matches(str(name.value).lower(), host.lower()) for name in common):
            return "x509: certificate relies on legacy Common Name field, use SANs instead"
        names = x509.SubjectAlternativeName([])
    try:
        address = ip_address(host)
    except ValueError:
        found = names.get_values_for_type(x509.DNSName)
        if any(_matches(name.lower(), host.lower()) for name in found):
            return ""
    else:
        addresses = names.get_values_for_type(x509.IPAddress)
        if address in addresses:
            return ""
        if not addresses:
            why = "because it doesn't contain any IP SANs"
            return f"x509: cannot validate certificate for {host} {why}"
        found = [str(each) for each in addresses]
    if not found:
        return f"x509: certificate is not valid for any names, but wanted to match {host}"
    return f"x509: certificate is valid for {', '.join(found)}, not {host}"


def _matches(name: str, host: str) -> bool:
    """A name whose first part is `*` is that of any host beside it."""
    first, _, rest = name.partition(".")
    return name == host or (first == "*" and rest == host.partition(".")[2] and rest != "")


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
