"""What is wrong with a NetworkPolicy, in the words of `pkg/apis/networking/validation`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.validation.selectors import validate_label_selector

Object = dict[str, Any]
_POLICY_TYPES = ("Ingress", "Egress")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def validate_network_policy(spec: Object) -> Findings:
    """Everything wrong with a policy's spec."""
    found = Findings()
    found.extend(validate_label_selector(spec.get("podSelector") or {}, "spec.podSelector"))
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or []):
            path = f"spec.{direction}[{index}]"
            for position, port in enumerate(rule.get("ports") or []):
                _port(found, f"{path}.ports[{position}]", port)
            for position, peer in enumerate(rule.get(peers) or []):
                _peer(found, f"{path}.{peers}[{position}]", peer)
    _policy_types(found, "spec.policyTypes", spec.get("policyTypes") or [])
    return found


def network_policy_warnings(spec: Object) -> list[str]:
    """What a client is told of the networks in a policy."""
    return [warning for path, cidr in _networks(spec) for warning in names.cidr_warnings(path, cidr)]


def _networks(spec: Object) -> Iterator[tuple[str, str]]:
    """All networks that are told of, with where they are."""
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or []):
            for position, peer in enumerate(rule.get(peers) or []):
                block = peer.get("ipBlock") or {}
                path = f"spec.{direction}[{index}].{peers}[{position}].ipBlock"
                if block:
                    yield f"{path}.cidr", block.get("cidr", "")
                for place, cidr in enumerate(block.get("except") or []):
                    yield f"{path}.except[{place}]", cidr


def _policy_types(found: Findings, path: str, kinds: list[str]) -> None:
    if len(kinds) > len(_POLICY_TYPES):
        found.invalid(path, kinds, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(kinds):
        if kind not in _POLICY_TYPES:
            found.not_supported(f"{path}[{index}]", kind, _POLICY_TYPES)


def _port(found: Findings, path: str, port: Object) -> None:
    if (protocol := port.get("protocol")) not in (None, *_PROTOCOLS):
        found.not_supported(f"{path}.protocol", protocol, _PROTOCOLS)
    number, end = port.get("port"), port.get("endPort")
    if isinstance(number, int):
        found.between(f"{path}.port", number, 1, 65535)
        if end is not None:
            _end_port(found, f"{path}.endPort", number, end)
        return
    if end is not None:
        how = "not specified" if number is None else "non-numeric"
        found.invalid(f"{path}.endPort", end, f"may not be specified when `port` is {how}")
    if number is not None:
        found.faults(f"{path}.port", number, names.port_name_faults(number))


def _end_port(found: Findings, path: str, first: int, end: int) -> None:
    if end < first:
        # The real server shows the first port here.
        found.invalid(path, first, "must be greater than or equal to `port`")
    found.between(path, end, 1, 65535)


def _peer(found: Findings, path: str, peer: Object) -> None:
    given = [part for part in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(part) is not None]
    for part in given:
        if part == "ipBlock":
            _ip_block(found, f"{path}.ipBlock", peer[part])
        else:
            found.extend(validate_label_selector(peer[part], f"{path}.{part}"))
    if not given:
        found.required(path, "must specify a peer")
    elif len(given) > 1 and "ipBlock" in given:
        found.forbidden(path, "may not specify both ipBlock and another peer")


def _ip_block(found: Findings, path: str, block: Object) -> None:
    cidr = block.get("cidr", "")
    if not cidr:
        found.required(f"{path}.cidr")
        return
    found.faults(f"{path}.cidr", cidr, names.cidr_faults(cidr))
    whole = names.parse_cidr(cidr)
    if whole is None:
        return
    for index, text in enumerate(block.get("except") or []):
        here = f"{path}.except[{index}]"
        found.faults(here, text, names.cidr_faults(text))
        part = names.parse_cidr(text)
        if part is None:
            continue
        inside = part.network.network_address in whole.network
        if not inside or whole.network.prefixlen >= part.network.prefixlen:
            found.invalid(here, text, "must be a strict subset of `cidr`")
