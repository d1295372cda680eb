"""Go's words for a connection that cannot be had, from those of Python and OpenSSL."""

from __future__ import annotations

import ssl
from pathlib import Path

#: OpenSSL's X509_V_ERR numbers, with what Go's `crypto/x509` says.
_VERDICTS = {
    **dict.fromkeys((18, 19, 20, 21), "certificate signed by unknown authority"),
    **dict.fromkeys((9, 10), "certificate has expired or is not yet valid"),
}


def handshake(error: ssl.SSLError) -> str:
    """What Go's `crypto/tls` says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        verdict = _VERDICTS.get(error.verify_code, error.verify_message)
        return f"tls: failed to verify certificate: x509: {verdict}"
    alert = (error.reason or "handshake failure").lower().replace("_", " ")
    return f"remote error: tls: {alert.rpartition('alert ')[2]}"


def lookup(host: str, resolv_conf: Path = Path("/etc/resolv.conf")) -> str:
    """What Go's resolver says of a host that nobody knows: it names the first server that it asks."""
    try:
        lines = [line.split() for line in resolv_conf.read_text().splitlines()]
    except OSError:
        lines = []
    servers = [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]
    server = servers[0] if servers else "127.0.0.1"  # where Go looks when nobody says
    asked = f"[{server}]:53" if ":" in server else f"{server}:53"
    return f"dial tcp: lookup {host} on {asked}: no such host"
