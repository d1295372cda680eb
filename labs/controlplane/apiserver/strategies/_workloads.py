"""The kinds of `apps/v1`, and ReplicationController: what keeps pods running.

Mirrors `pkg/registry/apps/*/strategy.go`, `pkg/apis/apps/v1/defaults.go` and `pkg/apis/apps/validation`.
"""

from __future__ import annotations

from typing import ClassVar

from labs.core.field import FieldError, forbidden, invalid, not_supported, required
from labs.core.validation.pods import validate_pod_template

from ..validation.numbers import int_or_percent, is_zero, not_negative
from ..validation.templates import immutable, validate_selected_template
from ._base import Object, Strategy
from ._pod_templates import changed_template_warnings, complete_template


class _Workload(Strategy):
    has_status = True
    counts_generations = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        complete_template(spec.setdefault("template", {}))
        self.default_spec(spec)

    def default_spec(self, spec: Object) -> None:
        """The kind's own defaults."""

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return changed_template_warnings(new["spec"], (old or {}).get("spec"), "spec")

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return super().validate_update(new, old) + immutable(new["spec"], old["spec"], "spec", "selector")


class DeploymentStrategy(_Workload):
    """A number of equal pods that are replaced step by step."""

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
        strategy = spec.setdefault("strategy", {})
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = not_negative(spec, "spec", "replicas")
        errors += validate_selected_template(spec, "deployment", deadline="ReplicaSet")
        errors += _rollout(spec["strategy"])
        errors += not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
        errors += not_negative(spec, "spec", "progressDeadlineSeconds")
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
            errors.append(
                invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
            )
        return errors


def _rollout(strategy: Object) -> list[FieldError]:
    field, rolling = "spec.strategy", strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate":
        if rolling is None:
            return []
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden(f"{field}.rollingUpdate", detail)]
    if strategy["type"] != "RollingUpdate":
        return [not_supported(f"{field}.type", strategy["type"], ("Recreate", "RollingUpdate"))]
    if rolling is None:
        return [required(f"{field}.rollingUpdate")]
    here = f"{field}.rollingUpdate"
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    errors = int_or_percent(unavailable, f"{here}.maxUnavailable", limited=True)
    errors += int_or_percent(surge, f"{here}.maxSurge")
    if is_zero(unavailable) and is_zero(surge):
        errors.append(invalid(f"{here}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return errors


class ReplicaSetStrategy(_Workload):
    """A number of equal pods."""

    initial_status: ClassVar[Object] = {"replicas": 0}

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = not_negative(spec, "spec", "replicas", "minReadySeconds")
        return errors + validate_selected_template(spec, "deployment", deadline="ReplicaSet")

    def validate_status(self, new: Object, old: Object) -> list[FieldError]:
        return super().validate_status(new, old) + _replica_counts(new["status"])


def _replica_counts(status: Object) -> list[FieldError]:
    """No part of the pods can be more than all of them."""
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    errors = not_negative(status, "status", *counts, "observedGeneration")
    total = status.get("replicas", 0)
    errors += [
        invalid(f"status.{part}", status[part], "cannot be greater than status.replicas")
        for part in counts[1:]
        if status.get(part, 0) > total
    ]
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        value = status["availableReplicas"]
        errors.append(invalid("status.availableReplicas", value, "cannot be greater than readyReplicas"))
    return errors


#: How often a DaemonSet's template has changed, from before there were revisions.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSetStrategy(_Workload):
    """A pod on every node."""

    initial_status: ClassVar[Object] = {
        "currentNumberScheduled": 0,
        "desiredNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
    }

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("revisionHistoryLimit", 10)
        strategy = spec.setdefault("updateStrategy", {})
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", 1)
            rolling.setdefault("maxSurge", 0)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        count = int((old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, 0))
        count += new["spec"].get("template") != old["spec"].get("template")
        new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(count)

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = validate_selected_template(spec, "daemonset", deadline="DaemonSet")
        errors += not_negative(spec, "spec", "minReadySeconds")
        field, strategy = "spec.updateStrategy", spec["updateStrategy"]
        if strategy["type"] not in ("OnDelete", "RollingUpdate"):
            errors.append(not_supported(f"{field}.type", strategy["type"], ("RollingUpdate", "OnDelete")))
        rolling = strategy.get("rollingUpdate")
        if strategy["type"] == "RollingUpdate" and rolling is not None:
            errors += _daemon_rollout(rolling, f"{field}.rollingUpdate")
        return errors + not_negative(spec, "spec", "revisionHistoryLimit")


def _daemon_rollout(rolling: Object, field: str) -> list[FieldError]:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    errors = int_or_percent(unavailable, f"{field}.maxUnavailable", limited=True)
    errors += int_or_percent(surge, f"{field}.maxSurge", limited=True)
    if not is_zero(unavailable) and not is_zero(surge):
        errors.append(invalid(f"{field}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    if is_zero(unavailable) and is_zero(surge):
        errors.append(required(f"{field}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return errors


#: What may change in a StatefulSet that exists.
_STATEFUL_CHANGES = (
    *("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit"),
    *("persistentVolumeClaimRetentionPolicy", "minReadySeconds"),
)


#: What its pods' names make of no account, and nobody judges.
_STATEFUL_NAMES = ("spec.template.spec.hostname", "spec.template.spec.subdomain")


class StatefulSetStrategy(_Workload):
    """Pods that keep their names and volumes."""

    initial_status: ClassVar[Object] = {"replicas": 0, "availableReplicas": 0}

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("podManagementPolicy", "OrderedReady")
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("serviceName", "")
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        retention.setdefault("whenDeleted", "Retain")
        retention.setdefault("whenScaled", "Retain")
        strategy = spec.setdefault("updateStrategy", {})
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
        for claim in spec.get("volumeClaimTemplates") or []:
            claim.setdefault("apiVersion", "v1")
            claim.setdefault("kind", "PersistentVolumeClaim")
            claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
            claim["status"] = {"phase": "Pending", **(claim.get("status") or {})}

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        policies = ("OrderedReady", "Parallel")
        errors = []
        if spec["podManagementPolicy"] not in policies:
            detail = f"must be '{policies[0]}' or '{policies[1]}'"
            errors.append(invalid("spec.podManagementPolicy", spec["podManagementPolicy"], detail))
        strategy, field = spec["updateStrategy"], "spec.updateStrategy"
        if strategy["type"] not in ("OnDelete", "RollingUpdate"):
            detail = "must be 'RollingUpdate' or 'OnDelete'"
            errors.append(invalid(field, strategy, detail))
        elif strategy["type"] == "OnDelete" and strategy.get("rollingUpdate") is not None:
            detail = "only allowed for updateStrategy 'RollingUpdate'"
            errors.append(invalid(f"{field}.rollingUpdate", strategy["rollingUpdate"], detail))
        errors += not_negative(strategy.get("rollingUpdate") or {}, f"{field}.rollingUpdate", "partition")
        errors += not_negative(spec, "spec", "replicas", "minReadySeconds")
        faults = validate_selected_template(spec, "statefulset", deadline="StatefulSet")
        return errors + [fault for fault in faults if fault.field not in _STATEFUL_NAMES]

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = Strategy.validate_update(self, new, old)
        fixed = [
            {part: value for part, value in obj["spec"].items() if part not in _STATEFUL_CHANGES}
            for obj in (new, old)
        ]
        if fixed[0] != fixed[1]:
            detail = (
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
                "'minReadySeconds' are forbidden"
            )
            errors.append(forbidden("spec", detail))
        return errors


class ReplicationControllerStrategy(_Workload):
    """A number of equal pods, as before there were ReplicaSets."""

    orphans_dependents = True
    initial_status: ClassVar[Object] = {"replicas": 0}

    def default(self, obj: Object) -> None:
        super().default(obj)
        labels = (obj["spec"]["template"].get("metadata") or {}).get("labels")
        if labels and not obj["spec"].get("selector"):
            obj["spec"]["selector"] = dict(labels)
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = not_negative(spec, "spec", "minReadySeconds")
        selector = spec.get("selector") or {}
        if not selector:
            errors.append(required("spec.selector"))
        errors += not_negative(spec, "spec", "replicas")
        labels = (spec["template"].get("metadata") or {}).get("labels") or {}
        if any(labels.get(key) != value for key, value in selector.items()):
            detail = "`selector` does not match template `labels`"
            errors.append(invalid("spec.template.metadata.labels", labels, detail))
        errors += validate_pod_template(spec["template"], "spec.template")
        policy = spec["template"]["spec"].get("restartPolicy", "")
        if policy != "Always":
            errors.append(not_supported("spec.template.spec.restartPolicy", policy, ("Always",)))
        return errors

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return Strategy.validate_update(self, new, old)


class ControllerRevisionStrategy(Strategy):
    """What a DaemonSet or StatefulSet was once."""

    def default(self, obj: Object) -> None:
        obj.setdefault("revision", 0)

    def validate(self, obj: Object) -> list[FieldError]:
        data, errors = obj.get("data"), []
        if data is None:
            errors.append(required("data", "data is mandatory"))
        elif not isinstance(data, dict):
            errors.append(required("data", "data must be a valid JSON object"))
        return errors + [
            invalid("revision", obj["revision"], "must be greater than or equal to 0")
            for _ in range(obj["revision"] < 0)
        ]

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        if new.get("data") != old.get("data"):
            errors.append(invalid("data", new.get("data"), "field is immutable"))
        return errors


class PodTemplateStrategy(Strategy):
    """A template by itself."""

    counts_generations = True

    def default(self, obj: Object) -> None:
        complete_template(obj.setdefault("template", {}))

    def validate(self, obj: Object) -> list[FieldError]:
        return validate_pod_template(obj["template"], "template")
