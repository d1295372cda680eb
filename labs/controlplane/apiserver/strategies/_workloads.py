"""The kinds of `apps/v1`, and ReplicationController: what keeps pods running.

Mirrors `pkg/registry/apps/*/strategy.go`, `pkg/apis/apps/v1/defaults.go` and `pkg/apis/apps/validation`.
"""

from __future__ import annotations

from typing import ClassVar

from labs.core import names
from labs.core.field import FieldError, Findings, invalid, required
from labs.core.validation.pods import validate_pod_template

from ..meta import validate_metadata_update
from ..validation.numbers import not_negative
from ..validation.rollouts import validate_daemon_update, validate_deployment_strategy
from ..validation.stateful_sets import (
    stateful_set_warnings,
    validate_stateful_set,
    validate_stateful_set_update,
)
from ..validation.templates import (
    check_running_template,
    immutable,
    validate_daemon_template,
    validate_replica_template,
)
from ._base import Object, Strategy
from ._pod_templates import changed_template_warnings, complete_template, name_warnings


class _Workload(Strategy):
    has_status = True
    counts_generations = True
    #: A name that is no label makes odd names of pods.
    warns_of_names = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        complete_template(spec.setdefault("template", {}))
        self.default_spec(spec)

    def default_spec(self, spec: Object) -> None:
        """The kind's own defaults."""

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        told = changed_template_warnings(new["spec"], (old or {}).get("spec"), "spec")
        if old is None and self.warns_of_names:
            return name_warnings(new["metadata"]["name"]) + told
        return told

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return super().validate_update(new, old) + immutable(new["spec"], old["spec"], "spec", "selector")


class DeploymentStrategy(_Workload):
    """A number of equal pods that are replaced step by step."""

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
        strategy = spec.setdefault("strategy", {})
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = not_negative(spec, "spec", "replicas")
        errors += validate_replica_template(spec)
        errors += validate_deployment_strategy(spec["strategy"])
        errors += not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
        errors += not_negative(spec, "spec", "progressDeadlineSeconds")
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
            errors.append(
                invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
            )
        return errors


class ReplicaSetStrategy(_Workload):
    """A number of equal pods."""

    initial_status: ClassVar[Object] = {"replicas": 0}

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("replicas", 1)

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = not_negative(spec, "spec", "replicas", "minReadySeconds")
        return errors + validate_replica_template(spec)

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

    warns_of_names = False
    initial_status: ClassVar[Object] = {
        "currentNumberScheduled": 0,
        "desiredNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
    }

    def default_spec(self, spec: Object) -> None:
        spec.setdefault("revisionHistoryLimit", 10)
        strategy = spec.setdefault("updateStrategy", {})
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        rolls = strategy["type"] == "RollingUpdate"
        if rolls or "rollingUpdate" in strategy:
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", int(rolls))
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
        errors = [*validate_daemon_template(spec), *not_negative(spec, "spec", "minReadySeconds")]
        errors += validate_daemon_update(spec["updateStrategy"])
        return errors + not_negative(spec, "spec", "revisionHistoryLimit")

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = immutable(new["spec"], old["spec"], "spec", "selector")
        return errors + Strategy.validate_update(self, new, old)


class StatefulSetStrategy(_Workload):
    """Pods that keep their names and volumes."""

    warns_of_names = False
    initial_status: ClassVar[Object] = {"replicas": 0, "availableReplicas": 0}

    def name_faults(self, name: str) -> list[str]:
        return names.label_faults(name)

    def default_spec(self, spec: Object) -> None:
        spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("serviceName", "")
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        for part in ("whenDeleted", "whenScaled"):
            retention[part] = retention.get(part) or "Retain"
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
            strategy.setdefault("rollingUpdate", {})
        if "rollingUpdate" in strategy:
            strategy["rollingUpdate"].setdefault("partition", 0)
        for claim in spec.get("volumeClaimTemplates") or []:
            claim.setdefault("apiVersion", "v1")
            claim.setdefault("kind", "PersistentVolumeClaim")
            claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
            claim["status"] = {"phase": "Pending", **(claim.get("status") or {})}

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        _drop_disabled(obj["spec"])

    def prepare_update(self, new: Object, old: Object) -> None:
        _drop_disabled(new["spec"])
        super().prepare_update(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return [*super().warnings(new, old), *stateful_set_warnings(new["spec"], is_new=old is None)]

    def validate(self, obj: Object) -> list[FieldError]:
        return validate_stateful_set(obj["spec"])

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = validate_metadata_update(new["metadata"], old["metadata"])
        errors += self.validate_metadata(new["metadata"])
        return errors + validate_stateful_set_update(new["spec"], old["spec"])


def _drop_disabled(spec: Object) -> None:
    """Drop what only a feature reads that is off, in place."""
    (spec["updateStrategy"].get("rollingUpdate") or {}).pop("maxUnavailable", None)


class ReplicationControllerStrategy(_Workload):
    """A number of equal pods, as before there were ReplicaSets."""

    orphans_dependents = True
    initial_status: ClassVar[Object] = {"replicas": 0}

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        if "template" not in spec:
            return
        complete_template(spec["template"])
        labels = spec["template"]["metadata"].get("labels")
        if labels and not spec.get("selector"):
            spec["selector"] = dict(labels)
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        found = Findings(not_negative(spec, "spec", "minReadySeconds"))
        selector = {"matchLabels": spec.get("selector")}
        if not spec.get("selector"):
            found.required("spec.selector")
        found.extend(not_negative(spec, "spec", "replicas"))
        if "template" in spec:
            check_running_template(found, selector, spec["template"], "ReplicationController")
        else:
            found.required("spec.template")
        return found

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
