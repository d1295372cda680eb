"""Which addresses of which families a Service has, in the words of `pkg/apis/core/validation`."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings

Object = dict[str, Any]
NO_ADDRESS = "None"
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_FIXED = "may not change once set"


def is_headless(spec: Object) -> bool:
    """Whether the Service has no address, and wants none."""
    return spec.get("clusterIPs") == [NO_ADDRESS]


def family_of(address: str) -> str:
    """IPv4 or IPv6; "" of what is no address."""
    parsed = names.parse_ip(address)
    return f"IPv{parsed.version}" if parsed else ""


def check_cluster_ips(found: Findings, spec: Object) -> None:
    """Addresses, their families and how many of them are wanted."""
    if spec.get("type") == "ExternalName":
        return
    path, addresses = "spec.clusterIPs", spec.get("clusterIPs") or []
    _first_address(found, path, spec.get("clusterIP", ""), addresses)
    _families(found, "spec.ipFamilies", spec.get("ipFamilies") or [])
    if (policy := spec.get("ipFamilyPolicy")) not in (None, *_FAMILY_POLICIES):
        found.not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES)
    malformed = _address_faults(path, addresses)
    found.extend(malformed)
    if len(addresses) > 2:
        found.invalid(path, addresses, "may only hold up to 2 values")
    if not malformed:
        _addresses_by_family(found, path, spec, addresses)


def check_kept_addresses(found: Findings, new: Object, old: Object) -> None:
    """The first address is for the Service's life; a second one may come and go."""
    was, now = old.get("clusterIPs") or [], new.get("clusterIPs") or []
    if was == now:
        return
    if was and not now:
        found.invalid("spec.clusterIPs[0]", now, "primary clusterIP can not be unset")
    kept = len(was) if len(was) == len(now) else 1
    for index, (before, after) in enumerate(zip(was[:kept], now, strict=False)):
        if before != after:
            found.invalid(f"spec.clusterIPs[{index}]", now, _FIXED)
    _released(found, "clusterIP", was, now, new.get("ipFamilyPolicy"))


def check_kept_families(found: Findings, new: Object, old: Object) -> None:
    """So is the first family of a Service with addresses."""
    was, now = old.get("ipFamilies") or [], new.get("ipFamilies") or []
    if is_headless(new) or is_headless(old) or was == now:
        return
    addresses, path = new.get("clusterIPs") or [], "spec.ipFamilies[0]"
    if len(was) > len(now) and not addresses:
        found.invalid(path, now, "primary ipFamily can not be unset")
    same = len(was) == len(now)
    for before, after in zip(was if same else was[:1], now, strict=False):
        if before != after:
            # Of another number, the real server shows the addresses here.
            found.invalid(path, now if same else addresses, _FIXED)
    _released(found, "ipFamily", was, now, new.get("ipFamilyPolicy"))


def _first_address(found: Findings, path: str, address: str, addresses: list[str]) -> None:
    """The older field of one address agrees with the newer one of several."""
    if address and not addresses:
        found.required(path)
    elif address and addresses[0] != address:
        found.invalid(path, addresses, "first value must match `clusterIP`")
    elif addresses and not address:
        found.invalid(path, addresses, "must be empty when `clusterIP` is not specified")


def _families(found: Findings, path: str, families: list[str]) -> None:
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            found.not_supported(f"{path}[{index}]", family, _FAMILIES)
        if family in families[:index]:
            found.duplicate(f"{path}[{index}]", family)


def _address_faults(path: str, addresses: list[str]) -> Findings:
    found = Findings()
    for index, address in enumerate(addresses):
        if index or address != NO_ADDRESS:
            found.ip(f"{path}[{index}]", address)
        elif len(addresses) > 1:
            found.invalid(path, addresses, "'None' must be the first and only value")
    return found


def _addresses_by_family(found: Findings, path: str, spec: Object, addresses: list[str]) -> None:
    """One address of each family, in the order of the families."""
    kinds = [family_of(address) for address in addresses]
    if len(kinds) > 1 and len(set(kinds)) == 1:
        found.invalid(path, addresses, "may specify no more than one IP for each IP family")
    if is_headless(spec):
        return
    for index, (kind, family) in enumerate(zip(kinds, spec.get("ipFamilies") or [], strict=False)):
        if family in _FAMILIES and kind != family:
            why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            found.invalid(f"{path}[{index}]", addresses[index], why)


def _released(found: Findings, what: str, was: list[str], now: list[str], policy: str | None) -> None:
    """A second address or family goes only if one is wanted."""
    if len(was) > len(now) == 1 and policy != "SingleStack":
        why = f"must be set to 'SingleStack' when releasing the secondary {what}"
        found.invalid("spec.ipFamilyPolicy", policy, why)
