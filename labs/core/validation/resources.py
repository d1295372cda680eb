"""What containers and pods ask for and may have (`validateResourceRequirements`)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.quantity import quantity_value, summed

Object = dict[str, Any]
_CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_POD_RESOURCES = ("cpu", "memory")
#: Objects that quotas count.
_COUNTED = frozenset((
    "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets",
    "services", "services.loadbalancers", "services.nodeports",
))  # fmt: skip
#: What quotas bound; containers have only some of it.
QUOTA_RESOURCES = _COUNTED.union(
    _CONTAINER_RESOURCES,
    (f"{part}.{name}" for part in ("limits", "requests") for name in _CONTAINER_RESOURCES),
    ("requests.storage",),
)
_MAX_INT64 = 2**63 - 1


def check_resources(found: Findings, path: str, resources: Object, claims: Iterable[str]) -> None:
    """A container's; `claims` are the names of its pod's."""
    _amounts(found, path, resources, check_container_resource)
    _claims(found, f"{path}.claims", resources.get("claims") or [], set(claims))


def check_overhead(found: Findings, path: str, overhead: Object) -> None:
    """What a runtime class adds to a pod."""
    _amounts(found, path, {"limits": overhead}, check_container_resource)


def check_pod_resources(found: Findings, path: str, spec: Object) -> None:
    """A pod's as a whole, beside those of its containers; `path` is its resources'."""
    own = spec.get("resources") or {}
    if "claims" in own:
        found.forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level")
    _amounts(found, path, own, _pod_resource)
    claims = (claim.get("name", "") for claim in spec.get("resourceClaims") or [])
    _claims(found, f"{path}.claims", own.get("claims") or [], set(filter(None, claims)))
    asked = summed(c.get("resources", {}).get("requests") or {} for c in spec.get("containers") or [])
    for name, amount in asked.items():
        if name not in _POD_RESOURCES:
            continue
        given = (own.get("requests") or {}).get(name, "0")
        if quantity_value(amount) > quantity_value(given):
            why = f"must be greater than or equal to aggregate container requests of {amount}"
            found.invalid(f"{path}.requests[{name}]", given, why)
    for index, container in enumerate(spec.get("containers") or []):
        for name, limit in (container.get("resources", {}).get("limits") or {}).items():
            most = (own.get("limits") or {}).get(name)
            if most is not None and quantity_value(limit) > quantity_value(most):
                why = f"must be less than or equal to pod limits of {most}"
                found.invalid(f"{path}.containers[{index}][{name}].limits", limit, why)


def _amounts(found: Findings, path: str, resources: Object, name_rule: Any) -> None:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, limit in limits.items():
        _amount(found, f"{path}.limits[{name}]", name, limit, name_rule)
    for name, request in requests.items():
        _amount(found, f"{path}.requests[{name}]", name, request, name_rule)
        _within(found, path, name, request, limits.get(name))
    named = {*limits, *requests}
    if any(map(is_huge, named)) and named.isdisjoint(("cpu", "memory")):
        found.forbidden(path, "HugePages require cpu or memory")


def _amount(found: Findings, path: str, name: str, amount: str, name_rule: Any) -> None:
    name_rule(found, path, name)
    check_amount(found, path, name, amount)
    if is_huge(name) and (size := _whole(name.removeprefix("hugepages-"))) and _whole(amount) % size:
        found.invalid(path, amount, f"{amount} is not positive integer multiple of {name}")


def check_amount(found: Findings, path: str, name: str, amount: str) -> None:
    """An amount that there can be of it (`ValidateResourceQuantityValue`)."""
    if quantity_value(amount) < 0:
        found.invalid(path, amount, "must be greater than or equal to 0")
    if (name in _COUNTED or _is_extended(name)) and _whole(amount, 1000) % 1000:
        found.invalid(path, amount, "must be an integer")


def _within(found: Findings, path: str, name: str, request: str, limit: str | None) -> None:
    scarce = not may_overcommit(name)
    if limit is None:
        if scarce:
            found.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif scarce and quantity_value(request) != quantity_value(limit):
        found.invalid(f"{path}.requests", request, f"must be equal to {name} limit of {limit}")
    elif quantity_value(request) > quantity_value(limit):
        found.invalid(f"{path}.requests", request, f"must be less than or equal to {name} limit of {limit}")


def check_resource_name(found: Findings, path: str, name: str) -> None:
    """Something that there are amounts of: Kubernetes' own, or of a domain (`validateResourceName`)."""
    before = len(found)
    found.qualified_name(path, name)
    known = name in QUOTA_RESOURCES or name == "storage" or is_huge(name.removeprefix("requests."))
    if len(found) == before and "/" not in name and not known:
        found.invalid(path, name, "must be a standard resource type or fully qualified")


def check_container_resource(found: Findings, path: str, name: str) -> None:
    """The same of a container (`validateContainerResourceName`)."""
    check_resource_name(found, path, name)
    if "/" not in name:
        if name not in _CONTAINER_RESOURCES and not is_huge(name):
            found.invalid(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and not _is_extended(name):
        found.invalid(path, name, "doesn't follow extended resource name standard")


def _pod_resource(found: Findings, path: str, name: str) -> None:
    before = len(found)
    check_resource_name(found, path, name)
    if len(found) == before and name not in _POD_RESOURCES and not is_huge(name):
        found.not_supported(path, name, ("cpu", "hugepages-", "memory"))


def _is_native(name: str) -> bool:
    """Of Kubernetes."""
    return "/" not in name or "kubernetes.io/" in name


def _is_extended(name: str) -> bool:
    """Of somebody else; quotas of requests know it, too."""
    if _is_native(name) or name.startswith("requests."):
        return False
    return not names.qualified_name_faults(f"requests.{name}")


def is_huge(name: str) -> bool:
    """Whether it is pages of some size."""
    return name.startswith("hugepages-")


def may_overcommit(name: str) -> bool:
    """Whether more may be used than is asked for."""
    return _is_native(name) and not is_huge(name)


def _whole(amount: str, scale: int = 1) -> int:
    """An amount in Go's int64, `scale` times: what is more is the most that it holds."""
    value = quantity_value(amount)
    return _MAX_INT64 if value.adjusted() > 18 else min(math.ceil(value * scale), _MAX_INT64)


def _claims(found: Findings, path: str, wanted: list[Object], claims: set[str]) -> None:
    taken: set[str] = set()
    for index, claim in enumerate(wanted):
        here, name, request = f"{path}[{index}]", claim.get("name", ""), claim.get("request", "")
        if not name:
            found.required(here)
            continue
        key = f"{name}/{request}" if request else name
        if name in taken or key in taken:
            found.duplicate(here, name if name in taken else key)
        elif request:
            found.label(f"{here}.request", request)
        elif any(other.startswith(f"{name}/") for other in taken):
            found.duplicate(here, name)
        taken.add(key)
        if name not in claims:
            listed = f": {', '.join(sorted(claims))}" if claims else " which is empty"
            found.not_found(here, name, f"must be one of the names in pod.spec.resourceClaims{listed}")
