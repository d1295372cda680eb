"""What is wrong with a ServiceCIDR or an IPAddress, in the words of `pkg/apis/networking/validation`."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings

Object = dict[str, Any]
_MOST = 2
_ONE_EACH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
_PARENT = ("group", "resource", "namespace", "name")


def validate_service_cidr(spec: Object) -> Findings:
    """Everything wrong with a new ServiceCIDR's spec."""
    found, cidrs = Findings(), spec.get("cidrs") or []
    if not cidrs:
        found.required("spec.cidrs", "at least one CIDR required")
    elif len(cidrs) > _MOST:
        found.invalid("spec.cidrs", {"CIDRs": cidrs}, f"may only hold up to {_MOST} values")
    else:
        _cidrs(found, cidrs, 0)
    return found


def validate_service_cidr_update(new: Object, old: Object) -> Findings:
    """A network of the other family may be added; nothing else changes."""
    found, cidrs, before = Findings(), new.get("cidrs") or [], old.get("cidrs") or []
    if len(cidrs) == len(before) or (len(before), len(cidrs)) == (1, _MOST):
        for index, (now, was) in enumerate(zip(cidrs, before, strict=False)):
            if now != was:
                found.invalid(f"spec.cidrs[{index}]", now, "field is immutable")
        if len(cidrs) > len(before):
            _cidrs(found, cidrs, len(before))
    else:
        found.invalid("spec.cidrs", new.get("cidrs"), "field is immutable")
    return found


def _cidrs(found: Findings, cidrs: list[str], first: int) -> None:
    """The networks from the `first` one on, and whether two of them go together."""
    for index, cidr in enumerate(cidrs[first:], first):
        found.faults(f"spec.cidrs[{index}]", cidr, names.strict_cidr_faults(cidr))
    networks = [names.parse_cidr(cidr) for cidr in cidrs]
    families = [network.version for network in networks if network]
    if len(families) == len(cidrs) > len(set(families)):
        found.invalid("spec.cidrs", cidrs, _ONE_EACH)


def validate_ip_address(spec: Object) -> Findings:
    """Everything wrong with an IPAddress' spec."""
    found, parent = Findings(), spec.get("parentRef")
    if parent is None:
        found.required("spec.parentRef")
        return found
    if group := parent.get("group"):
        found.faults("spec.parentRef.group", group, names.subdomain_faults(group))
    for part in ("resource", "name"):
        if text := parent.get(part):
            found.faults(f"spec.parentRef.{part}", text, names.path_faults(text))
        else:
            found.required(f"spec.parentRef.{part}")
    if namespace := parent.get("namespace"):
        found.faults("spec.parentRef.namespace", namespace, names.path_faults(namespace))
    return found


def validate_ip_address_update(new: Object, old: Object) -> Findings:
    """Whose an address is stays as it is; the refusal shows Go's names of the fields."""
    found, parent = Findings(), new.get("parentRef")
    if parent != old.get("parentRef"):
        shown = parent and {part.capitalize(): parent.get(part, "") for part in _PARENT}
        found.invalid("spec.parentRef", shown, "field is immutable")
    return found
