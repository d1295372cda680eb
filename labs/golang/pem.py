"""Certificates and keys in PEM files, refused with the words that Go's `crypto/tls` and client-go have."""

from __future__ import annotations

import os
import re
import ssl

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)


class PEMError(Exception):
    """A file cannot be read, or holds something else than is wanted of it."""


def read(path: str) -> bytes:
    """The content of a file. Raises `PEMError` as Go's `os.ReadFile` does."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - an empty Path is the current directory
            return stream.read()
    except OSError as error:
        raise PEMError(unreadable(path, error)) from None


def unreadable(path: str, error: OSError) -> str:
    """What Go's `os.ReadFile` says of a file that cannot be read."""
    if isinstance(error, IsADirectoryError):
        return f"read {path}: is a directory"
    return f"open {path}: {os.strerror(error.errno or 0).lower()}"


def blocks(data: bytes) -> list[str]:
    """What the PEM blocks in `data` are called, in their order."""
    return [found[1].decode() for found in _BLOCK.finditer(data)]


def certificates(text: str) -> list[str]:
    """The certificates of a bundle, each in PEM with a line's end."""
    return [f"{found}\n" for found in _CERTIFICATE.findall(text)]


def load_pair(context: ssl.SSLContext, certificate: str, key: str, name: str = "") -> None:
    """Show a certificate (`tls.LoadX509KeyPair`), which may have a `name` in messages. Raises `PEMError`."""
    shown, secret = read(certificate), read(key)
    if name and not (shown and secret):
        raise PEMError(f'missing content for serving cert "{name}::{certificate}::{key}"')
    _check_certificate(blocks(shown))
    _check_key(blocks(secret))
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PEMError("tls: private key does not match public key") from error
        # OpenSSL keeps certificates apart by the type of their keys
        if error.reason in ("KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            raise PEMError("tls: private key type does not match public key type") from error
        if _is_sound(certificate):
            raise PEMError("tls: failed to parse private key") from error
        raise PEMError("x509: malformed certificate") from error


def check_pair(certificate: bytes, key: bytes) -> None:
    """That a certificate is one of a key (`tls.X509KeyPair`). Raises `PEMError`."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    _check_certificate(blocks(certificate))
    _check_key(blocks(key))
    try:
        shown = x509.load_pem_x509_certificates(certificate)[0].public_key()
    except ValueError as error:
        raise PEMError("x509: malformed certificate") from error
    try:
        owned = load_pem_private_key(key, None).public_key()
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise PEMError("tls: failed to parse private key") from error
    if type(shown) is not type(owned):
        raise PEMError("tls: private key type does not match public key type")
    if shown != owned:
        raise PEMError("tls: private key does not match public key")


def _check_certificate(types: list[str]) -> None:
    if "CERTIFICATE" in types:
        return
    if not types:
        raise PEMError("tls: failed to find any PEM data in certificate input")
    if len(types) == 1 and types[0].endswith("PRIVATE KEY"):
        raise PEMError(
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched"
        )
    raise PEMError(
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the '
        f"following types: [{' '.join(types)}]"
    )


def _check_key(types: list[str]) -> None:
    if any(kind == "PRIVATE KEY" or kind.endswith(" PRIVATE KEY") for kind in types):
        return
    if not types:
        raise PEMError("tls: failed to find any PEM data in key input")
    if types == ["CERTIFICATE"]:
        raise PEMError("tls: found a certificate rather than a key in the PEM for the private key")
    raise PEMError(
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM '
        f"blocks of the following types: [{' '.join(types)}]"
    )


def _is_sound(certificate: str) -> bool:
    try:
        ssl.create_default_context(cafile=certificate)
    except ssl.SSLError:
        return False
    return True


def check_authorities(path: str) -> None:
    """That a file holds authorities (`certutil.ParseCertsPEM`). Raises `PEMError`."""
    if "CERTIFICATE" not in blocks(read(path)):
        raise PEMError("data does not contain any valid RSA or ECDSA certificates")
    if not _is_sound(path):
        raise PEMError("x509: malformed certificate")


def check_bundle(path: str, name: str) -> None:
    """The same; `name` is what the bundle is called in messages. Raises `PEMError`."""
    if not read(path):
        raise PEMError(f'missing content for CA bundle "{name}::{path}"')
    try:
        check_authorities(path)
    except PEMError as error:
        raise PEMError(f'error loading CA bundle for "{name}::{path}": {error}') from None


def check_public_keys(path: str) -> None:
    """That a file holds public keys, alone, in certificates or beside private ones. Raises `PEMError`."""
    if not any(kind == "CERTIFICATE" or kind.endswith(" KEY") for kind in blocks(read(path))):
        why = "data does not contain any valid RSA or ECDSA public keys"
        raise PEMError(f"error reading public key file {path}: {why}")


def check_private_key(path: str) -> None:
    """That a file holds a private key (`keyutil.PrivateKeyFromFile`). Raises `PEMError`."""
    if not any(kind.endswith("PRIVATE KEY") for kind in blocks(read(path))):
        why = "data does not contain a valid RSA or ECDSA private key"
        raise PEMError(f"error reading private key file {path}: {why}")
