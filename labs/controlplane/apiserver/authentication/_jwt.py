"""Signed tokens (RFC 7519), as far as service accounts need them: RS256 and ES256/384/512.

`cryptography` is imported when the first token is signed or checked: most requests come with a certificate,
and a start that nobody waits for is faster.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

Claims = dict[str, Any]

#: By the size of the curve: the algorithm, and the size of its digest.
_CURVES = {256: ("ES256", 256), 384: ("ES384", 384), 521: ("ES512", 512)}


class TokenError(Exception):
    """A token that is not accepted; its arguments say why, for the server's log and never for the client."""


@dataclass(frozen=True)
class Token:
    """A token taken apart, nothing of it believed yet."""

    header: dict[str, Any]
    claims: Claims
    signed: bytes
    signature: bytes


def split(text: str) -> Token | None:
    """The parts of a token; None when it is none of this form."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = (json.loads(_decode(part)) for part in parts[:2])
        signature = _decode(parts[2])
    except ValueError:
        return None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return None
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def key_id(key: PublicKey) -> str:
    """Which key this is, as the API server names it in a token's header."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _encode(sha256(der).digest())


def as_jwk(key: PublicKey) -> dict[str, str]:
    """The key for others to check signatures with (RFC 7517)."""
    from cryptography.hazmat.primitives.asymmetric import ec

    numbers: Any = key.public_numbers()
    name, algorithm = key_id(key), _algorithm(key)
    if isinstance(numbers, ec.EllipticCurvePublicNumbers):
        size = (key.key_size + 7) // 8
        point = {part: _encode(getattr(numbers, part).to_bytes(size, "big")) for part in ("x", "y")}
        curve = f"P-{key.key_size}"
        return {"use": "sig", "kty": "EC", "kid": name, "crv": curve, "alg": algorithm, **point}
    parts = {name: getattr(numbers, name) for name in ("n", "e")}
    shown = {
        name: _encode(part.to_bytes((part.bit_length() + 7) // 8, "big")) for name, part in parts.items()
    }
    return {"use": "sig", "kty": "RSA", "kid": name, "alg": algorithm, **shown}


def sign(claims: Claims, key: PrivateKey) -> str:
    """A token that says `claims`."""
    public = key.public_key()
    header = {"alg": _algorithm(public), "kid": key_id(public)}
    signed = f"{_encode(_json(header))}.{_encode(_json(claims))}"
    return f"{signed}.{_encode(_signature(signed.encode(), key))}"


def verify(token: Token, key: PublicKey) -> None:
    """Raises `TokenError` when the signature is not that key's."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    forged = TokenError("go-jose/go-jose: error in cryptographic primitive")
    if token.header.get("alg") != _algorithm(key):
        raise forged
    signature = token.signature
    try:
        if not isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, token.signed, padding.PKCS1v15(), _digest(256))
            return
        size = (key.key_size + 7) // 8
        if len(signature) != 2 * size:
            raise forged
        r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
        key.verify(encode_dss_signature(r, s), token.signed, ec.ECDSA(_digest(_CURVES[key.key_size][1])))
    except InvalidSignature:
        raise forged from None


def _signature(data: bytes, key: PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, padding.PKCS1v15(), _digest(256))
    size = (key.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(_digest(_CURVES[key.key_size][1]))))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _algorithm(key: PublicKey) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec

    return _CURVES[key.key_size][0] if isinstance(key, ec.EllipticCurvePublicKey) else "RS256"


def _digest(bits: int) -> Any:
    from cryptography.hazmat.primitives import hashes

    known: dict[int, Any] = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}
    return known[bits]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
