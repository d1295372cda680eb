"""Job and CronJob; mirrors `pkg/registry/batch` and the defaults in `pkg/apis/batch`."""

from __future__ import annotations

from labs.core.field import FieldError, invalid

from ..meta import validate_metadata_update
from ..validation.cron_jobs import validate_cron_job
from ..validation.jobs import (
    CONTROLLER_LABEL,
    generated_labels,
    job_warnings,
    validate_job,
    validate_job_update,
)
from ._base import Object, Strategy
from ._pod_templates import changed_template_warnings, complete_template, name_warnings

#: The longest name that leaves room for the time in the names of a CronJob's jobs.
CRON_NAME_LIMIT = 52


class JobStrategy(Strategy):
    """Pods that run to their end."""

    orphans_dependents = True
    has_status = True
    counts_generations = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        template = spec.setdefault("template", {})
        _complete_job(spec)
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = spec["parallelism"] = 1
        spec.setdefault("parallelism", 1)
        spec.setdefault("backoffLimit", 2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6)
        labels = template["metadata"].get("labels")
        if labels and not obj["metadata"].get("labels"):
            # The very same, as in Go: labels that are put into one later are in both.
            obj["metadata"]["labels"] = labels
        spec.setdefault("completionMode", "NonIndexed")
        spec.setdefault("suspend", False)
        spec.setdefault("manualSelector", False)
        by_policy = "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed"
        spec.setdefault("podReplacementPolicy", by_policy)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        told = name_warnings(new["metadata"]["name"]) if old is None else []
        return told + _job_warnings(new["spec"], (old or {}).get("spec"), "spec")

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        if not obj["spec"]["manualSelector"]:
            _select_own_pods(obj)

    def validate(self, obj: Object) -> list[FieldError]:
        return validate_job(obj)

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return super().validate_update(new, old) + validate_job_update(new["spec"], old["spec"])


def _complete_job(spec: Object) -> None:
    """What a Job and a CronJob's template of one have that their authors left out."""
    complete_template(spec.setdefault("template", {}))
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return
    policy["rules"] = policy.get("rules") or None
    for rule in policy["rules"] or []:
        for condition in rule.get("onPodConditions") or []:
            condition["status"] = condition.get("status") or "True"


def _job_warnings(new: Object, old: Object | None, path: str) -> list[str]:
    if new == old:
        return []
    return job_warnings(new, path) + changed_template_warnings(new, old, path)


def _select_own_pods(job: Object) -> None:
    """Only pods that carry the job's UID are its own; what the client set instead is judged later."""
    labels = job["spec"]["template"]["metadata"].setdefault("labels", {})
    for key, value in generated_labels(job).items():
        labels.setdefault(key, value)
    selector = job["spec"].setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault(CONTROLLER_LABEL, job["metadata"]["uid"])


class CronJobStrategy(Strategy):
    """Jobs by the clock."""

    has_status = True
    counts_generations = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", 3)
        spec.setdefault("failedJobsHistoryLimit", 1)
        template = spec.setdefault("jobTemplate", {})
        template.setdefault("metadata", {})
        _complete_job(template.setdefault("spec", {}))

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        told = name_warnings(new["metadata"]["name"]) if old is None else []
        before = old["spec"]["jobTemplate"]["spec"] if old else None
        return told + _job_warnings(new["spec"]["jobTemplate"]["spec"], before, "spec.jobTemplate.spec")

    def validate_create(self, obj: Object) -> list[FieldError]:
        errors = super().validate_create(obj)
        if len(obj["metadata"].get("name", "")) > CRON_NAME_LIMIT:
            detail = f"must be no more than {CRON_NAME_LIMIT} characters"
            errors.append(invalid("metadata.name", obj["metadata"]["name"], detail))
        return errors

    def validate(self, obj: Object) -> list[FieldError]:
        return validate_cron_job(obj["spec"])

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = validate_metadata_update(new["metadata"], old["metadata"])
        errors += self.validate_metadata(new["metadata"])
        return errors + validate_cron_job(new["spec"], old["spec"])
