"""Autoscalers: what they scale, by what and how fast (`ValidateHorizontalPodAutoscaler`)."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.core.quantity import quantity_value

Object = dict[str, Any]
_METRICS = ("ContainerResource", "External", "Object", "Pods", "Resource")
#: Where a metric comes from, in the order in which it is looked at.
_SOURCES = ("object", "external", "pods", "resource", "containerResource")
_TARGETS = ("Utilization", "Value", "AverageValue")
_SELECT_POLICIES, _POLICIES = ("Disabled", "Max", "Min"), ("Percent", "Pods")
_LONGEST_WINDOW, _LONGEST_PERIOD = 3600, 1800


def check_autoscaler(found: Findings, path: str, spec: Object) -> None:
    """How many there may be of what."""
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < 1:
        found.invalid(f"{path}.minReplicas", least, "must be greater than or equal to 1")
    if most == 0:
        found.required(f"{path}.maxReplicas", "must be set and greater than 0")
    elif most < 1:
        found.invalid(f"{path}.maxReplicas", most, "must be greater than or equal to 1")
    if least is not None and most < least:
        found.invalid(f"{path}.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    # of the core group, only this can be scaled
    core = target.get("kind") == "ReplicationController"
    _reference(found, f"{path}.scaleTargetRef", target, core=core)
    metrics = spec.get("metrics") or []
    for index, metric in enumerate(metrics):
        _metric(found, f"{path}.metrics[{index}]", metric)
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        found.forbidden(f"{path}.metrics", why)
    for part in ("scaleUp", "scaleDown"):
        if (rules := (spec.get("behavior") or {}).get(part)) is not None:
            _scaling(found, f"{path}.behavior.{part}", rules)


def _reference(found: Findings, path: str, target: Object, *, core: bool) -> None:
    """An object; `core`, whether it may be of the core group."""
    for part in ("kind", "name"):
        if value := target.get(part):
            found.faults(f"{path}.{part}", value, names.path_faults(value))
        else:
            found.required(f"{path}.{part}")
    version = target.get("apiVersion", "")
    if version.count("/") > 1:
        found.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    elif not core and not version.rpartition("/")[0]:
        found.invalid(f"{path}.apiVersion", version, "apiVersion must specify API group")


def _metric(found: Findings, path: str, metric: Object) -> None:
    kind, present = metric.get("type", ""), [source for source in _SOURCES if source in metric]
    if not kind:
        found.required(f"{path}.type", "must specify a metric source type")
    if kind not in _METRICS:
        found.not_supported(f"{path}.type", kind, _METRICS)
    if present:
        _source(found, f"{path}.{present[0]}", present[0], metric[present[0]])
    expected = f"{kind[0].lower()}{kind[1:]}" if kind in _METRICS else ""
    if expected and expected not in present:
        why = "must populate information for the given metric source"
        found.required(f"{path}.{expected}", why)
    if len(present) > 1:
        for other in present:
            if other != expected:
                found.forbidden(f"{path}.{other}", "must populate the given metric source only")


def _source(found: Findings, path: str, kind: str, source: Object) -> None:
    target = source.get("target") or {}
    if kind == "object":
        _reference(found, f"{path}.describedObject", source.get("describedObject") or {}, core=True)
    if kind in ("resource", "containerResource"):
        if not source.get("name"):
            found.required(f"{path}.name", "must specify a resource name")
    else:
        _identifier(found, f"{path}.metric.name", (source.get("metric") or {}).get("name", ""))
    if kind == "containerResource":
        if source.get("container"):
            found.label(f"{path}.container", source["container"])
        else:
            found.required(f"{path}.container", "must specify a container")
    _target(found, f"{path}.target", target)
    match kind:
        case "object":
            if "value" not in target and "averageValue" not in target:
                why = "must set either a target value or averageValue"
                found.required(f"{path}.target.averageValue", why)
        case "external":
            why = "a target value for metric {} a per-pod target"
            _one_of(found, f"{path}.target", target, ("averageValue", "value"), "value", why)
        case "pods":
            if "averageValue" not in target:
                found.required(f"{path}.target.averageValue", "must specify a positive target averageValue")
        case _:
            parts, why = ("averageUtilization", "averageValue"), "a target raw value {} a target utilization"
            _one_of(found, f"{path}.target", target, parts, "averageValue", why)


def _one_of(
    found: Findings, path: str, target: Object, parts: tuple[str, str], refused: str, what: str
) -> None:
    """One of two parts and not both: the first is asked for, the other too many is `refused`."""
    given = sum(part in target for part in parts)
    if not given:
        found.required(f"{path}.{parts[0]}", f"must set either {what.format('or')}")
    elif given > 1:
        found.forbidden(f"{path}.{refused}", f"may not set both {what.format('and')}")


def _identifier(found: Findings, path: str, name: str) -> None:
    if name:
        found.faults(path, name, names.path_faults(name))
    else:
        found.required(path, "must specify a metric name")


def _target(found: Findings, path: str, target: Object) -> None:
    kind = target.get("type", "")
    if not kind:
        found.required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        found.invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for part in ("value", "averageValue"):
        if part in target and quantity_value(target[part]) <= 0:
            found.invalid(f"{path}.{part}", target[part], "must be positive")
    if (utilization := target.get("averageUtilization")) is not None and utilization < 1:
        found.invalid(f"{path}.averageUtilization", utilization, "must be greater than 0")


def _scaling(found: Findings, path: str, rules: Object) -> None:
    """How fast it goes one way."""
    window, here = rules.get("stabilizationWindowSeconds"), f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        found.invalid(here, window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        found.invalid(here, window, f"must be less than or equal to {_LONGEST_WINDOW}")
    if (select := rules.get("selectPolicy")) not in (None, *_SELECT_POLICIES):
        found.not_supported(f"{path}.selectPolicy", select, _SELECT_POLICIES)
    if not rules.get("policies"):
        found.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or []):
        _policy(found, f"{path}.policies[{index}]", policy)
    if (tolerance := rules.get("tolerance")) is not None and quantity_value(tolerance) < 0:
        found.invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0")


def _policy(found: Findings, path: str, policy: Object) -> None:
    if (kind := policy.get("type", "")) not in _POLICIES:
        found.not_supported(f"{path}.type", kind, _POLICIES)
    for part in ("value", "periodSeconds"):
        if (number := policy.get(part, 0)) <= 0:
            found.invalid(f"{path}.{part}", number, "must be greater than zero")
    if (period := policy.get("periodSeconds", 0)) > _LONGEST_PERIOD:
        found.invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {_LONGEST_PERIOD}")
