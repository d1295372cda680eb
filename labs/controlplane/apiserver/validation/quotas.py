"""Quotas: what they bound, and of which pods (`ValidateResourceQuotaSpec`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.core.field import Findings
from labs.core.validation.resources import QUOTA_RESOURCES, check_amount, check_resource_name, is_huge

Object = dict[str, Any]
_PODS = frozenset(("pods",))
_COMPUTE = _PODS.union(prefix + name for prefix in ("", "limits.", "requests.") for name in ("cpu", "memory"))
#: The scopes there are, each with the resources that it can be of.
_SCOPES = {
    "BestEffort": _PODS,
    "CrossNamespacePodAffinity": _COMPUTE,
    "NotBestEffort": _COMPUTE,
    "NotTerminating": _COMPUTE,
    "PriorityClass": _COMPUTE,
    "Terminating": _COMPUTE,
    "VolumeAttributesClass": frozenset(("persistentvolumeclaims", "requests.storage")),
}
#: Scopes that a pod is in or not, whatever values it has.
_PLAIN_SCOPES = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_OPPOSITES = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})


def check_quota(found: Findings, path: str, spec: Object) -> None:
    """What is bounded, and what it is counted of."""
    hard, scopes, selector = spec.get("hard") or {}, spec.get("scopes"), spec.get("scopeSelector")
    check_bounds(found, f"{path}.hard", hard)
    for scope in scopes or []:
        here = f"{path}.scopes"
        if scope not in _SCOPES:
            found.invalid(here, scopes, "unsupported scope")
        _applied(found, here, scopes, scope, hard)
    _no_opposites(found, f"{path}.scopes", scopes, set(scopes or ()))
    requirements = (selector or {}).get("matchExpressions") or []
    here = f"{path}.scopeSelector.matchExpressions"
    for requirement in requirements:
        _requirement(found, here, requirement)
        _applied(found, here, _go(requirements), requirement.get("scopeName", ""), hard)
    _no_opposites(found, here, scopes, {requirement.get("scopeName", "") for requirement in requirements})


def check_bounds(found: Findings, path: str, amounts: Mapping[str, str]) -> None:
    """Amounts by what they are of, bounds or what is used."""
    for name, amount in amounts.items():
        here = f"{path}[{name}]"
        check_resource_name(found, here, name)
        if "/" not in name and not _is_standard(name):
            found.invalid(here, name, "must be a standard resource for quota")
        check_amount(found, here, name, amount)


def _is_standard(name: str) -> bool:
    """Whether quotas know it by themselves."""
    return name in QUOTA_RESOURCES or is_huge(name.removeprefix("requests."))


def _applied(found: Findings, path: str, shown: object, scope: str, hard: Object) -> None:
    """What a scope is of is only in some resources."""
    for name in hard:
        if _is_standard(name) and name not in _SCOPES.get(scope, (name,)):
            found.invalid(path, shown, "unsupported scope applied to resource")


def _no_opposites(found: Findings, path: str, shown: object, scopes: set[str]) -> None:
    for pair in _OPPOSITES:
        if pair <= scopes:
            found.invalid(path, shown, "conflicting scopes")


def _requirement(found: Findings, path: str, requirement: Object) -> None:
    scope, operator = requirement.get("scopeName", ""), requirement.get("operator", "")
    values = requirement.get("values") or []
    if scope not in _SCOPES:
        found.invalid(f"{path}.scopeName", scope, "unsupported scope")
    if scope in _PLAIN_SCOPES and operator != "Exists":
        why = (
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
            "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort "
            "or ResourceQuotaScopeCrossNamespacePodAffinity"
        )
        found.invalid(f"{path}.operator", operator, why)
    match operator:
        case "In" | "NotIn":
            if not values:
                why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                found.required(f"{path}.values", why)
        case "Exists" | "DoesNotExist":
            if values:
                why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                found.invalid(f"{path}.values", values, why)
        case _:
            found.invalid(f"{path}.operator", operator, "not a valid selector operator")


def _go(requirements: list[Object]) -> Object:
    """A scope selector as Go shows the structure."""
    shown = [
        {"ScopeName": r.get("scopeName", ""), "Operator": r.get("operator", ""), "Values": r.get("values")}
        for r in requirements
    ]
    return {"MatchExpressions": shown}
