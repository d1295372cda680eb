"""Versions, cipher suites and further certificates of a port, as all components take them.

Follows `SecureServingOptions` of `k8s.io/apiserver`.
"""

from __future__ import annotations

import ssl

from labs.golang import pem
from labs.golang.tlsoptions import restrict

from .flags import Flags
from .serverflags import ServerFlagError


def restrict_tls(context: ssl.SSLContext, flags: Flags) -> None:
    """As `--tls-cipher-suites` and `--tls-min-version` have it. Raises `ServerFlagError`."""
    try:
        restrict(context, flags.words("tls-cipher-suites"), flags.text("tls-min-version"))
    except ValueError as error:
        raise ServerFlagError(str(error)) from None


def check_named_pairs(flags: Flags) -> None:
    """Further certificates, by names (`--tls-sni-cert-key`): only that they are there is asked.

    Raises `ServerFlagError`.
    """
    for pair in flags.words("tls-sni-cert-key"):
        certificate, _, key = pair.partition(":")[0].partition(",")
        try:
            pem.load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
        except pem.PEMError as error:
            raise ServerFlagError(f"failed to load SNI cert and key: {error}") from None
