"""Where a Service leads: Endpoints, in the words of `pkg/apis/core/validation`, and EndpointSlices, in those
of `pkg/apis/discovery/validation`."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings

Object = dict[str, Any]
PROTOCOLS = ("SCTP", "TCP", "UDP")
_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
#: Controllers that write addresses in their canonical form.
_CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
_MAX_ADDRESSES = 100
_MAX_PORTS = 20000
_MAX_ENDPOINTS = 1000
_MAX_HINTS = 8


def check_endpoint_ip(found: Findings, path: str, text: str) -> None:
    """An address that traffic can be sent to from other machines."""
    address = names.parse_ip(text)
    if address is None:
        found.invalid(path, text, "must be a valid IP address")
        return
    if address.is_unspecified:
        found.invalid(path, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        found.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        found.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    packed = address.packed
    if packed[:3] == b"\xe0\0\0" if address.version == 4 else packed[0] == 0xFF and packed[1] & 0x0F == 2:
        why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        found.invalid(path, text, why)


def check_protocol(found: Findings, path: str, protocol: str) -> None:
    """A transport protocol of a port."""
    found.choice(path, protocol, PROTOCOLS)


def validate_subsets(subsets: list[Object]) -> Findings:
    """Everything wrong with the subsets of Endpoints."""
    found = Findings()
    for index, subset in enumerate(subsets):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            found.required(path, "must specify `addresses` or `notReadyAddresses`")
        for part in ("addresses", "notReadyAddresses"):
            for position, address in enumerate(subset.get(part) or []):
                _subset_address(found, f"{path}.{part}[{position}]", address)
        ports = subset.get("ports") or []
        for position, port in enumerate(ports):
            _subset_port(found, f"{path}.ports[{position}]", port, named=len(ports) > 1)
    return found


def _subset_address(found: Findings, path: str, address: Object) -> None:
    text = address.get("ip", "")
    found.ip(f"{path}.ip", text)
    if address.get("hostname"):
        found.label(f"{path}.hostname", address["hostname"])
    if address.get("nodeName") is not None:
        found.subdomain(f"{path}.nodeName", address["nodeName"])
    check_endpoint_ip(found, f"{path}.ip", text)


def _subset_port(found: Findings, path: str, port: Object, *, named: bool) -> None:
    if named or port.get("name"):
        found.required_label(f"{path}.name", port.get("name", ""))
    found.between(f"{path}.port", port.get("port", 0), 1, 65535)
    check_protocol(found, f"{path}.protocol", port.get("protocol", ""))
    if port.get("appProtocol") is not None:
        found.qualified_name(f"{path}.appProtocol", port["appProtocol"])


def subset_warnings(subsets: list[Object]) -> list[str]:
    """What a client is told of the addresses in Endpoints."""
    return [
        warning
        for index, subset in enumerate(subsets)
        for part in ("addresses", "notReadyAddresses")
        for position, address in enumerate(subset.get(part) or [])
        for warning in names.ip_warnings(f"subsets[{index}].{part}[{position}].ip", address.get("ip", ""))
    ]


def validate_address_type(kind: str) -> Findings:
    """What the addresses of a slice are."""
    found = Findings()
    found.choice("addressType", kind, _ADDRESS_TYPES)
    return found


def validate_endpoints(kind: str, endpoints: list[Object]) -> Findings:
    """Everything wrong with the endpoints of a slice."""
    found = Findings()
    if len(endpoints) > _MAX_ENDPOINTS:
        found.too_many("endpoints", len(endpoints), _MAX_ENDPOINTS)
        return found
    for index, endpoint in enumerate(endpoints):
        path = f"endpoints[{index}]"
        _slice_addresses(found, f"{path}.addresses", kind, endpoint.get("addresses") or [])
        if endpoint.get("nodeName") is not None:
            found.subdomain(f"{path}.nodeName", endpoint["nodeName"])
        if endpoint.get("hostname") is not None:
            found.label(f"{path}.hostname", endpoint["hostname"])
        _hints(found, f"{path}.hints", endpoint.get("hints") or {})
    return found


def _slice_addresses(found: Findings, path: str, kind: str, addresses: list[str]) -> None:
    if not addresses:
        found.required(path, "must contain at least 1 address")
    elif len(addresses) > _MAX_ADDRESSES:
        found.too_many(path, len(addresses), _MAX_ADDRESSES)
    for index, text in enumerate(addresses):
        if kind == "FQDN":
            _domain(found, f"{path}[{index}]", text)
        elif kind in _ADDRESS_TYPES:
            _slice_ip(found, path, index, kind, text)


def _slice_ip(found: Findings, path: str, index: int, kind: str, text: str) -> None:
    here, faults = f"{path}[{index}]", names.ip_faults(text)
    if faults:
        found.faults(here, text, faults)
        return
    address = names.parse_ip(text)
    if address and kind != f"IPv{address.version}":
        found.invalid(path, text, f"must be an {kind} address")
    check_endpoint_ip(found, here, text)


def _domain(found: Findings, path: str, text: str) -> None:
    """A domain of two labels or more, with a dot at its end or without (`IsFullyQualifiedDomainName`)."""
    name = text.removesuffix(".")
    labels = name.split(".")
    if not text:
        found.required(path)
    elif faults := names.subdomain_faults(name):
        found.invalid(path, name, ",".join(faults))
    elif len(labels) < 2:
        found.invalid(path, name, "should be a domain with at least two segments separated by dots")
    elif too_long := next((label for label in labels if names.label_faults(label)), ""):
        found.invalid(path, too_long, ",".join(names.label_faults(too_long)))


def _hints(found: Findings, path: str, hints: Object) -> None:
    for part, rule in (("forZones", names.label_value_faults), ("forNodes", names.subdomain_faults)):
        here, targets = f"{path}.{part}", hints.get(part) or []
        if len(targets) > _MAX_HINTS:
            found.too_many(here, len(targets), _MAX_HINTS)
            return
        seen: set[str] = set()
        for index, target in enumerate(targets):
            name = target.get("name", "")
            if name in seen:
                found.duplicate(f"{here}[{index}].name", name)
            seen.add(name)
            found.faults(f"{here}[{index}].name", name, rule(name))


def validate_slice_ports(ports: list[Object]) -> Findings:
    """Everything wrong with the ports of a slice; their numbers may be any."""
    found = Findings()
    if len(ports) > _MAX_PORTS:
        found.too_many("ports", len(ports), _MAX_PORTS)
        return found
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port.get("name") or ""
        if name:
            found.label(f"{path}.name", name)
        if name in seen:
            found.duplicate(f"{path}.name", name)
        seen.add(name)
        protocol = port.get("protocol", "")
        if protocol not in PROTOCOLS:
            found.not_supported(f"{path}.protocol", protocol, PROTOCOLS)
        if port.get("appProtocol") is not None:
            found.qualified_name(f"{path}.appProtocol", port["appProtocol"])
    return found


def slice_warnings(slice_: Object) -> list[str]:
    """What a client, other than the controllers that know how, is told of the addresses in a slice."""
    if (slice_["metadata"].get("labels") or {}).get(_MANAGED_BY) in _CONTROLLERS:
        return []
    return [
        warning
        for index, endpoint in enumerate(slice_.get("endpoints") or [])
        for position, address in enumerate(endpoint.get("addresses") or [])
        for warning in names.ip_warnings(f"endpoints[{index}].addresses[{position}]", address)
    ]
