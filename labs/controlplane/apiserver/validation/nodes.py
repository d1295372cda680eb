"""Nodes (`ValidateNode` and `ValidateNodeUpdate` of `pkg/apis/core/validation`)."""

from __future__ import annotations

import ipaddress
from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.validation.resources import check_amount

Object = dict[str, Any]
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_CIDR_RULE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_CIDRS_RULE = "may specify no more than one CIDR for each IP family"


def check_node(found: Findings, node: Object) -> None:
    """Everything wrong with a node but its metadata."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    _taints(found, spec.get("taints") or [])
    for part in ("capacity", "allocatable"):
        for name, amount in (status.get(part) or {}).items():
            check_amount(found, f"status.{part}.{name}", name, amount)
    _pod_ranges(found, "spec.podCIDRs", spec.get("podCIDRs") or [])


def check_node_update(found: Findings, new: Object, old: Object) -> None:
    """What may not change, and what is judged only then."""
    seen: list[Object] = []
    for index, address in enumerate((new.get("status") or {}).get("addresses") or []):
        if address in seen:
            shown = {"Type": address.get("type", ""), "Address": address.get("address", "")}
            found.duplicate(f"status.addresses[{index}]", shown)
        seen.append(address)
    spec, was = new["spec"], old["spec"]
    if was.get("podCIDRs") and spec.get("podCIDRs") != was["podCIDRs"]:
        found.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if was.get("providerID") and spec.get("providerID") != was["providerID"]:
        found.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')


def _taints(found: Findings, taints: list[Object]) -> None:
    taken: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        # The real server calls it so, wherever taints are
        path, key, value = f"metadata.taints[{index}]", taint.get("key", ""), taint.get("value", "")
        effect = taint.get("effect", "")
        found.qualified_name(f"{path}.key", key)
        if faults := names.label_value_faults(value):
            found.invalid(f"{path}.value", value, ";".join(faults))
        found.choice(f"{path}.effect", effect, _EFFECTS)
        if (key, effect) in taken:
            shown = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            found.duplicate(path, shown, "taints must be unique by key and effect pair")
        taken.add((key, effect))


def _pod_ranges(found: Findings, path: str, ranges: list[str]) -> None:
    versions = []
    for index, text in enumerate(ranges):
        try:
            versions.append(ipaddress.ip_network(text, strict=False).version)
        except ValueError:
            found.invalid(f"{path}[{index}]", text, _CIDR_RULE)
            continue
        try:
            ipaddress.ip_network(text)
        except ValueError:
            why = "must not have bits set beyond the prefix length"
            found.invalid(f"{path}[{index}]", text, why)
    if len(ranges) > 1 and sorted(versions) != [4, 6]:
        found.invalid(path, ranges, _CIDRS_RULE)
