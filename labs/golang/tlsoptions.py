"""Versions and cipher suites of TLS by Go's names (`k8s.io/component-base/cli/flag`)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

_VERSIONS = {
    "VersionTLS10": ssl.TLSVersion.TLSv1,
    "VersionTLS11": ssl.TLSVersion.TLSv1_1,
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
}
#: What may be named: Go's suites of TLS 1.3, which cannot be chosen from, and of TLS 1.2.
_TLS13_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_TLS12_SUITES = {
    f"TLS_{exchange}_WITH_{go}": f"{prefix}{openssl}"
    for exchange, prefix in (
        ("ECDHE_ECDSA", "ECDHE-ECDSA-"), ("ECDHE_RSA", "ECDHE-RSA-"), ("RSA", ""),
    )
    for go, openssl in {
        "AES_128_CBC_SHA": "AES128-SHA", "AES_256_CBC_SHA": "AES256-SHA",
        "AES_128_CBC_SHA256": "AES128-SHA256", "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384", "3DES_EDE_CBC_SHA": "DES-CBC3-SHA",
        "RC4_128_SHA": "RC4-SHA", "CHACHA20_POLY1305": "CHACHA20-POLY1305",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    }.items()
    if not (exchange == "RSA" and go.startswith("CHACHA20"))
    if not (exchange == "ECDHE_ECDSA" and go.startswith("3DES"))
}  # fmt: skip


def restrict(context: ssl.SSLContext, suites: Sequence[str], version: str) -> None:
    """Accept only these suites, and this version or newer ones; empty for what Go has for a default.

    Raises `ValueError` with the real words.
    """
    for suite in suites:
        if suite not in _TLS12_SUITES and suite not in _TLS13_SUITES:
            raise ValueError(f"Cipher suite {suite} not supported or doesn't exist")
    version = version or "VersionTLS12"
    if version not in _VERSIONS:
        raise ValueError(f'unknown tls version "{version}"')
    context.minimum_version = _VERSIONS[version]
    if chosen := [_TLS12_SUITES[suite] for suite in suites if suite in _TLS12_SUITES]:
        context.set_ciphers(":".join(chosen))
