"""Go's words for a connection that cannot be had, from those of Python and OpenSSL."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

from labs.golang import alerts, hostport

#: OpenSSL's X509_V_ERR numbers, with what Go's `crypto/x509` says.
_VERDICTS = {
    **dict.fromkeys((18, 19, 20, 21), "certificate signed by unknown authority"),
    **dict.fromkeys((9, 10), "certificate has expired or is not yet valid"),
}
#: What `net` says, where it is not what strerror(3) does.
_DIAL = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.ENETUNREACH: "connect: network is unreachable",
    errno.EHOSTUNREACH: "connect: no route to host",
    errno.ETIMEDOUT: "connect: connection timed out",
}


def dial(error: OSError, host: str, port: int) -> str:
    """What Go's `net` says of a connection that was not made."""
    if isinstance(error, socket.gaierror):
        return lookup(host)
    why = _DIAL.get(error.errno or 0) or (os.strerror(error.errno).lower() if error.errno else str(error))
    return f"dial tcp {host}:{port}: {why}"


def read(error: OSError, ours: str, theirs: str) -> str:
    """What Go's `net` says of a connection from `ours` to `theirs` that broke while it was read from."""
    return f"read tcp {ours}->{theirs}: read: {os.strerror(error.errno or errno.ECONNRESET).lower()}"


def handshake(error: ssl.SSLError) -> str:
    """What Go's `crypto/tls` says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        verdict = _VERDICTS.get(error.verify_code, error.verify_message)
        return f"tls: failed to verify certificate: x509: {verdict}"
    if error.reason == "WRONG_VERSION_NUMBER":
        return "http: server gave HTTP response to HTTPS client"
    why = (error.reason or "handshake failure").lower().replace("_", " ")
    return alerts.received(error) or f"local error: tls: {why}"


def lookup(host: str, resolv_conf: str | None = None) -> str:
    """What Go's resolver says of a host that nobody knows: it names the first server that it asks.

    `resolv_conf` is the text of such a file, by default of this machine's.
    """
    if resolv_conf is None:
        try:
            resolv_conf = Path("/etc/resolv.conf").read_text()
        except OSError:
            resolv_conf = ""
    lines = [line.split() for line in resolv_conf.splitlines()]
    servers = [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]
    server = servers[0] if servers else "127.0.0.1"  # where Go looks when nobody says
    return f"dial tcp: lookup {host} on {hostport.join(server, 53)}: no such host"
