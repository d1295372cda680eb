"""The alerts with which TLS ends a connection (RFC 8446, 6), as Go's `crypto/tls` names them."""

from __future__ import annotations

import ssl
import struct

AGREED = 0x0303
_BEFORE = 0x0301

UNEXPECTED_MESSAGE = 10
HANDSHAKE_FAILURE = 40
BAD_CERTIFICATE = 42
PROTOCOL_VERSION = 70

#: What Go calls an alert, by OpenSSL's name of it.
_NAMES = {
    "UNEXPECTED_MESSAGE": "unexpected message",
    "BAD_RECORD_MAC": "bad record MAC",
    "HANDSHAKE_FAILURE": "handshake failure",
    "BAD_CERTIFICATE": "bad certificate",
    "CERTIFICATE_REVOKED": "revoked certificate",
    "CERTIFICATE_EXPIRED": "expired certificate",
    "CERTIFICATE_UNKNOWN": "unknown certificate",
    "ILLEGAL_PARAMETER": "illegal parameter",
    "UNKNOWN_CA": "unknown certificate authority",
    "DECODE_ERROR": "error decoding message",
    "DECRYPT_ERROR": "error decrypting message",
    "PROTOCOL_VERSION": "protocol version not supported",
    "INSUFFICIENT_SECURITY": "insufficient security level",
    "INAPPROPRIATE_FALLBACK": "inappropriate fallback",
    "CERTIFICATE_REQUIRED": "certificate required",
}


def fatal(number: int, version: int = _BEFORE) -> bytes:
    """The record by which an end that has no keys gives up; once a version is AGREED on, in that one."""
    return struct.pack("!BHHBB", 21, version, 2, 2, number)


def received(error: ssl.SSLError) -> str | None:
    """What Go says when the other end has given up with an alert; None where that is not the error."""
    before, mark, name = (error.reason or "").partition("_ALERT_")
    if not mark or not before.startswith(("SSLV3", "TLSV1")):
        return None
    return f"remote error: tls: {_NAMES.get(name, name.lower().replace('_', ' '))}"
