"""What bounds others: disruption budgets, limit ranges, quotas, autoscalers and runtime classes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import ClassVar

from labs.core import names
from labs.core.field import FieldError, Findings, invalid, not_supported
from labs.core.validation.selectors import validate_label_selector

from ..validation.autoscalers import check_autoscaler
from ..validation.deprecations import old_label
from ..validation.limit_ranges import check_limits
from ..validation.numbers import int_or_percent
from ..validation.quotas import check_bounds, check_quota
from ..validation.runtime_classes import check_runtime_class
from ._base import Object, Strategy


class PodDisruptionBudgetStrategy(Strategy):
    """How many pods may be evicted at once; counted by the controller, honoured by evictions."""

    has_status = True
    counts_generations = True
    any_finalizer = True
    initial_status: ClassVar[Object] = {
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "disruptionsAllowed": 0,
        "expectedPods": 0,
    }

    def name_faults(self, name: str) -> list[str]:
        return names.path_faults(name)

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Object) -> list[FieldError]:
        spec, errors = obj["spec"], list[FieldError]()
        if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
            parts = ("minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy")
            shown = {f"{part[0].upper()}{part[1:]}": spec.get(part) for part in parts}
            errors.append(invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
        for part in ("minAvailable", "maxUnavailable"):
            if spec.get(part) is not None:
                errors += int_or_percent(spec[part], f"spec.{part}", limited=True)
        if spec.get("selector") is not None:
            errors += validate_label_selector(spec["selector"], "spec.selector")
        policy, policies = spec.get("unhealthyPodEvictionPolicy"), ("AlwaysAllow", "IfHealthyBudget")
        if policy is not None and policy not in policies:
            errors.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, policies))
        return errors


class LimitRangeStrategy(Strategy):
    """Bounds and defaults for what a namespace's containers ask for."""

    create_on_update = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["limits"] = spec.get("limits") or None
        for item in spec["limits"] or []:
            if item.get("type") == "Container":
                _container_limits(item)

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_limits(found, "spec.limits", obj["spec"].get("limits") or [])
        return found


def _container_limits(item: Object) -> None:
    """A bound is the default where none is given; mirrors `SetDefaults_LimitRangeItem`."""
    limits = {**(item.get("max") or {}), **(item.get("default") or {})}
    if limits:
        item["default"] = limits
    requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
    if requests:
        item["defaultRequest"] = requests


class ResourceQuotaStrategy(Strategy):
    """Bounds for all of a namespace together."""

    has_status = True

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_quota(found, "spec", obj.get("spec") or {})
        return found

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        scopes, before = ((obj.get("spec") or {}).get("scopes") for obj in (new, old))
        if set(scopes or ()) != set(before or ()):
            errors.append(invalid("spec.scopes", scopes, "field is immutable"))
        return errors

    def validate_status(self, new: Object, old: Object) -> list[FieldError]:
        found = Findings(super().validate_status(new, old))
        for part in ("hard", "used"):
            check_bounds(found, f"status.{part}", new["status"].get(part) or {})
        return found


_PODS, _PERCENT = (
    {"type": kind, "value": value, "periodSeconds": 15} for kind, value in (("Pods", 4), ("Percent", 100))
)
#: How fast replicas come and go where only some of it is told.
_BEHAVIOR: Mapping[str, Object] = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [_PODS, _PERCENT]},
    "scaleDown": {"selectPolicy": "Max", "policies": [_PERCENT]},
}


class HorizontalPodAutoscalerStrategy(Strategy):
    """How many replicas there should be by what they use; a record here."""

    has_status = True
    initial_status: ClassVar[Object] = {"currentMetrics": None, "desiredReplicas": 0}

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("minReplicas", 1)
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": 80}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]

        if spec.get("behavior") is not None:
            for part, rules in _BEHAVIOR.items():
                spec["behavior"][part] = {**deepcopy(rules), **(spec["behavior"].get(part) or {})}

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_autoscaler(found, "spec", obj["spec"])
        return found


class RuntimeClassStrategy(Strategy):
    """Which handler of the container runtime runs a pod."""

    create_on_update = True
    any_finalizer = True

    def validate(self, obj: Object) -> list[FieldError]:
        found = Findings()
        check_runtime_class(found, obj)
        return found

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        wanted = (new.get("scheduling") or {}).get("nodeSelector") or {}
        return [f"scheduling.nodeSelector: {old_label(key)}" for key in wanted if old_label(key)]

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if new.get("handler") != old.get("handler"):
            errors.append(invalid("handler", new.get("handler", ""), "field is immutable"))
        return errors
