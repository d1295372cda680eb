"""What bounds others: disruption budgets, limit ranges, quotas, autoscalers and runtime classes."""

from __future__ import annotations

from typing import ClassVar

from labs.core import names
from labs.core.field import FieldError, forbidden, invalid, not_supported, required
from labs.core.quantity import quantity_value
from labs.core.validation.selectors import validate_label_selector

from ..validation.numbers import int_or_percent
from ._base import Object, Strategy


class PodDisruptionBudgetStrategy(Strategy):
    """How many pods may be evicted at once; counted by the controller, honoured by evictions."""

    has_status = True
    counts_generations = True
    initial_status: ClassVar[Object] = {
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "disruptionsAllowed": 0,
        "expectedPods": 0,
    }

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj.get("spec") or {}
        errors: list[FieldError] = []
        if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
            value = {"maxUnavailable": spec["maxUnavailable"], "minAvailable": spec["minAvailable"]}
            shown = {**({"selector": spec["selector"]} if spec.get("selector") else {}), **value}
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


_LIMITED = ("Container", "PersistentVolumeClaim", "Pod")


class LimitRangeStrategy(Strategy):
    """Bounds and defaults for what a namespace's containers ask for."""

    create_on_update = True

    def default(self, obj: Object) -> None:
        for item in obj.setdefault("spec", {}).setdefault("limits", []) or []:
            if item.get("type") == "Container":
                _container_limits(item)

    def validate(self, obj: Object) -> list[FieldError]:
        errors: list[FieldError] = []
        for index, item in enumerate(obj["spec"].get("limits") or []):
            field = f"spec.limits[{index}]"
            if item.get("type") == "Pod":
                errors += [
                    forbidden(f"{field}.{part}", "may not be specified when `type` is 'Pod'")
                    for part in ("default", "defaultRequest")
                    if item.get(part)
                ]
            low, high = item.get("min") or {}, item.get("max") or {}
            for name in low.keys() & high.keys():
                if quantity_value(low[name]) > quantity_value(high[name]):
                    detail = f"min value {low[name]} is greater than max value {high[name]}"
                    errors.append(invalid(f"{field}.min[{name}]", low[name], detail))
        return errors


def _container_limits(item: Object) -> None:
    """A bound is the default where none is given; mirrors `SetDefaults_LimitRangeItem`."""
    limits = {**(item.get("max") or {}), **(item.get("default") or {})}
    if limits:
        item["default"] = limits
    requests = {**(item.get("min") or {}), **(item.get("defaultRequest") or {})}
    requests = {**limits, **requests}
    if requests:
        item["defaultRequest"] = requests


class ResourceQuotaStrategy(Strategy):
    """Bounds for all of a namespace together."""

    has_status = True

    def validate(self, obj: Object) -> list[FieldError]:
        errors: list[FieldError] = []
        for name, text in ((obj.get("spec") or {}).get("hard") or {}).items():
            if quantity_value(text) < 0:
                errors.append(invalid(f"spec.hard[{name}]", text, "must be greater than or equal to 0"))
        return errors


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

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = []
        least, most = spec["minReplicas"], spec.get("maxReplicas", 0)
        if least < 1:
            errors.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
        if most < 1:
            errors.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
        if most < least:
            detail = "must be greater than or equal to `minReplicas`"
            errors.append(invalid("spec.maxReplicas", most, detail))
        target = spec.get("scaleTargetRef") or {}
        errors += [
            required(f"spec.scaleTargetRef.{part}") for part in ("kind", "name") if not target.get(part)
        ]
        return errors


class RuntimeClassStrategy(Strategy):
    """Which handler of the container runtime runs a pod."""

    create_on_update = True

    def validate(self, obj: Object) -> list[FieldError]:
        handler = obj.get("handler", "")
        return [invalid("handler", handler, fault) for fault in names.label_faults(handler)]

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if new.get("handler") != old.get("handler"):
            errors.append(invalid("handler", new.get("handler", ""), "field is immutable"))
        return errors
