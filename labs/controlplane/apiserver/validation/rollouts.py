"""How Deployments and DaemonSets replace their pods; mirrors `ValidateDeploymentStrategy` and its kin."""

from __future__ import annotations

import re
from typing import Any

from labs.core.field import Findings

from .numbers import int_or_percent

Object = dict[str, Any]
Amount = int | str
_DEPLOYMENT_TYPES = ("Recreate", "RollingUpdate")
_DAEMON_TYPES = ("RollingUpdate", "OnDelete")
_NUMBER = re.compile(r"[0-9]+%|[-+]?[0-9]+")


def validate_deployment_strategy(strategy: Object) -> Findings:
    """`spec.strategy` of a Deployment."""
    found, path, rolling = Findings(), "spec.strategy", strategy.get("rollingUpdate")
    match strategy["type"]:
        case "Recreate":
            if rolling is not None:
                why = "may not be specified when strategy `type` is 'Recreate'"
                found.forbidden(f"{path}.rollingUpdate", why)
        case "RollingUpdate":
            _deployment_rollout(found, f"{path}.rollingUpdate", rolling or {})
        case _:
            found.not_supported(path, _shown(strategy), _DEPLOYMENT_TYPES)
    return found


def validate_daemon_update(strategy: Object) -> Findings:
    """`spec.updateStrategy` of a DaemonSet."""
    found, path = Findings(), "spec.updateStrategy"
    match strategy["type"]:
        case "OnDelete":
            pass
        case "RollingUpdate":
            _daemon_rollout(found, f"{path}.rollingUpdate", strategy.get("rollingUpdate") or {})
        case _:
            found.not_supported(path, _shown(strategy), _DAEMON_TYPES)
    return found


def _deployment_rollout(found: Findings, path: str, rolling: Object) -> None:
    unavailable, surge = _amounts(rolling)
    _check_amounts(found, path, unavailable, surge)
    if not _number(unavailable) and not _number(surge):
        found.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    _check_share(found, f"{path}.maxUnavailable", unavailable)


def _daemon_rollout(found: Findings, path: str, rolling: Object) -> None:
    unavailable, surge = _amounts(rolling)
    _check_amounts(found, path, unavailable, surge)
    _check_share(found, f"{path}.maxUnavailable", unavailable)
    _check_share(found, f"{path}.maxSurge", surge)
    if _number(unavailable) and _number(surge):
        found.invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not _number(unavailable) and not _number(surge):
        found.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _amounts(rolling: Object) -> tuple[Amount, Amount]:
    return rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)


def _check_amounts(found: Findings, path: str, unavailable: Amount, surge: Amount) -> None:
    found.extend(int_or_percent(unavailable, f"{path}.maxUnavailable"))
    found.extend(int_or_percent(surge, f"{path}.maxSurge"))


def _check_share(found: Findings, path: str, amount: Amount) -> None:
    if isinstance(amount, str) and amount.endswith("%") and _number(amount) > 100:
        found.invalid(path, amount, "must not be greater than 100%")


def _number(amount: Amount) -> int:
    """What is before the per cent, if any; 0 when that is no number."""
    number = _NUMBER.fullmatch(str(amount))
    return int(number[0].rstrip("%")) if number else 0


def _shown(strategy: Object) -> Object:
    """A strategy as the server has it, where both amounts have a value."""
    rolling = strategy.get("rollingUpdate")
    if rolling is not None:
        rolling = dict(zip(("MaxUnavailable", "MaxSurge"), _amounts(rolling), strict=True))
    return {"Type": strategy["type"], "RollingUpdate": rolling}
