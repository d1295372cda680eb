"""The file of `--egress-selector-config-file`: judged, and no connection is led elsewhere by it.

Follows `apiserver/pkg/server/egressselector/config.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labs.golang import pem
from labs.golang.configfile import ConfigError, Format, duplicate, invalid, required, unsupported
from labs.golang.errors import aggregate

from .options import InvalidOptions

_SELECTORS = ("cluster", "controlplane", "etcd")
_PROTOCOLS = ("Direct", "HTTPConnect", "GRPC")
_AT = "service.connection"
_FORMAT = Format(
    "apiserver.k8s.io/v1beta1",
    "EgressSelectorConfiguration",
    {
        "EgressSelectorConfiguration": {
            "egressSelections": "[]EgressSelection",
        },
        "EgressSelection": {"name": "string", "connection": "Connection"},
        "Connection": {"proxyProtocol": "string", "transport": "Transport"},
        "Transport": {"tcp": "TCPTransport", "uds": "UDSTransport"},
        "TCPTransport": {"url": "string", "tlsConfig": "TLSConfig"},
        "UDSTransport": {"udsName": "string"},
        "TLSConfig": {"caBundle": "string", "clientKey": "string", "clientCert": "string"},
    },
    "k8s.io/apiserver/pkg/server/egressselector/config.go:33",
    {
        **{
            name: f"v1beta1.{name}"
            for name in (
                "EgressSelection", "Connection", "Transport", "TCPTransport", "UDSTransport", "TLSConfig",
            )
        },
        "proxyProtocol": "v1beta1.ProtocolType",
    },
    also=frozenset({("apiserver.k8s.io/v1alpha1", "EgressSelectorConfiguration")}),
)  # fmt: skip


def check(path: str) -> None:
    """Raises `InvalidOptions` for a file that the server would not start with."""
    wrong = "failed to read egress selector config"
    try:
        data = pem.read(path)
    except pem.PEMError as error:
        why = f'unable to read egress selector configuration from "{path}" [{error}]'
        raise InvalidOptions(f"{wrong}: {why}") from None
    try:
        document = _FORMAT.strict(data)
    except ConfigError as error:
        raise InvalidOptions(f"{wrong}: {error}") from None
    if faults := [*_faults(document.get("egressSelections", []))]:
        raise InvalidOptions(f"failed to validate egress selector configuration: {aggregate(faults)}")


def _faults(selections: list[Mapping[str, Any]]) -> Iterable[str]:
    """`ValidateEgressSelectorConfiguration`; `master` is the old name of controlplane."""
    seen: set[str] = set()
    for number, selection in enumerate(selections):
        name = selection.get("name", "")
        if name not in (*_SELECTORS, "master"):
            yield unsupported(_AT, name, _SELECTORS)
        elif name in seen:
            yield duplicate(f"{_AT}[{number}]", name)
        seen.add(name)
        yield from _connection_faults(selection.get("connection", {}))


def _connection_faults(connection: Mapping[str, Any]) -> Iterable[str]:
    transport = connection.get("transport")
    match connection.get("proxyProtocol", ""):
        case "Direct":
            if transport is not None:
                yield invalid(f"{_AT}.transport", "direct", "config must be absent for direct connect")
        case "HTTPConnect":
            if transport is None:
                yield required(f"{_AT}.transport", "transport must be set for HTTPConnect")
        case "GRPC":
            if transport is None:
                yield required(f"{_AT}.transport", "transport must be set for GRPC")
            elif "uds" not in transport:
                yield required(f"{_AT}.uds", "UDS must be set with GRPC")
        case other:
            yield unsupported(f"{_AT}.protocol", other, _PROTOCOLS)
