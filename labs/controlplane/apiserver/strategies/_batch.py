"""Job and CronJob; mirrors `pkg/registry/batch` and `pkg/apis/batch`: their defaults and validation."""

from __future__ import annotations

import re

from labs.core.field import FieldError, forbidden, invalid, not_supported, required
from labs.core.validation.pods import validate_pod_template
from labs.core.validation.selectors import validate_label_selector

from ..validation.numbers import not_negative
from ..validation.templates import immutable
from ._base import Object, Strategy
from ._pod_templates import changed_template_warnings, complete_template

_PREFIX = "batch.kubernetes.io/"
_CONTROLLER, _JOB = "controller-uid", "job-name"
#: The longest name that leaves room for the time in the names of a CronJob's jobs.
CRON_NAME_LIMIT = 52
_FIELDS = re.compile(r"[0-9A-Za-z*/,\-?]+")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


class JobStrategy(Strategy):
    """Pods that run to their end."""

    orphans_dependents = True
    has_status = True
    counts_generations = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        template = spec.setdefault("template", {})
        complete_template(template)
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = spec["parallelism"] = 1
        spec.setdefault("parallelism", 1)
        spec.setdefault("backoffLimit", 2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6)
        labels = (template.get("metadata") or {}).get("labels")
        if labels and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
        spec.setdefault("completionMode", "NonIndexed")
        spec.setdefault("suspend", False)
        spec.setdefault("manualSelector", False)
        by_policy = "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed"
        spec.setdefault("podReplacementPolicy", by_policy)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return changed_template_warnings(new["spec"], (old or {}).get("spec"), "spec")

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        if not obj["spec"]["manualSelector"]:
            _select_own_pods(obj)

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = []
        if spec.get("selector") is None:
            errors.append(required("spec.selector"))
        else:
            errors += validate_label_selector(spec["selector"], "spec.selector")
        return errors + validate_job_spec(spec, "spec")

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        errors = super().validate_update(new, old)
        for part in ("completions", "selector", "template", "completionMode", "podFailurePolicy"):
            if part == "completions" and new["spec"].get("completionMode") == "Indexed":
                continue
            if part == "template" and new["spec"].get("suspend") and old["spec"].get("suspend"):
                continue
            errors += immutable(new["spec"], old["spec"], "spec", part)
        return errors


def _select_own_pods(job: Object) -> None:
    """Only pods that carry the job's UID are its own."""
    uid, name = job["metadata"]["uid"], job["metadata"].get("name", "")
    own = {_CONTROLLER: uid, _JOB: name, _PREFIX + _CONTROLLER: uid, _PREFIX + _JOB: name}
    metadata = job["spec"]["template"].setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **own}
    if job["metadata"].get("labels") is not None:
        job["metadata"]["labels"] = {**job["metadata"]["labels"], **own}
    selector = job["spec"].setdefault("selector", {})
    selector.setdefault("matchLabels", {})[_PREFIX + _CONTROLLER] = uid


def validate_job_spec(spec: Object, field: str) -> list[FieldError]:
    """What a Job and a CronJob's template of one have in common."""
    parts = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
    errors = not_negative(spec, field, *parts)
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        errors.append(not_supported(f"{field}.completionMode", mode, ("Indexed", "NonIndexed")))
    if mode == "Indexed" and spec.get("completions") is None:
        errors.append(required(f"{field}.completions", "when completion mode is Indexed"))
    errors += validate_pod_template(spec.get("template") or {}, f"{field}.template")
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "")
    if policy == "Always":
        here = f"{field}.template.spec.restartPolicy"
        errors.append(required(here, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        errors.append(not_supported(f"{field}.template.spec.restartPolicy", policy, ("OnFailure", "Never")))
    return errors


class CronJobStrategy(Strategy):
    """Jobs by the clock."""

    has_status = True
    counts_generations = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("concurrencyPolicy", "Allow")
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", 3)
        spec.setdefault("failedJobsHistoryLimit", 1)
        template = spec.setdefault("jobTemplate", {})
        template.setdefault("metadata", {})
        complete_template(template.setdefault("spec", {}).setdefault("template", {}))

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        before = old["spec"]["jobTemplate"]["spec"] if old else None
        return changed_template_warnings(new["spec"]["jobTemplate"]["spec"], before, "spec.jobTemplate.spec")

    def validate_create(self, obj: Object) -> list[FieldError]:
        errors = super().validate_create(obj)
        if len(obj["metadata"].get("name", "")) > CRON_NAME_LIMIT:
            detail = f"must be no more than {CRON_NAME_LIMIT} characters"
            errors.append(invalid("metadata.name", obj["metadata"]["name"], detail))
        return errors

    def validate(self, obj: Object) -> list[FieldError]:
        spec = obj["spec"]
        errors = _schedule(spec)
        errors += not_negative(spec, "spec", "startingDeadlineSeconds")
        policies = ("Allow", "Forbid", "Replace")
        if spec["concurrencyPolicy"] not in policies:
            errors.append(not_supported("spec.concurrencyPolicy", spec["concurrencyPolicy"], policies))
        errors += not_negative(spec, "spec", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
        job = spec["jobTemplate"]["spec"]
        if job.get("manualSelector"):
            here = "spec.jobTemplate.spec.manualSelector"
            errors.append(not_supported(here, "true", ("nil", "false")))
        if job.get("selector") is not None:
            here = "spec.jobTemplate.spec.selector"
            errors.append(forbidden(here, "`selector` will be auto-generated"))
        return errors + validate_job_spec(job, "spec.jobTemplate.spec")


def _schedule(spec: Object) -> list[FieldError]:
    """`spec.schedule`, in the words of robfig/cron's parser."""
    field, text = "spec.schedule", spec.get("schedule", "")
    if not text:
        return [required(field)]
    if "TZ" in text:
        zoned = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        return [invalid(field, text, zoned)]
    fault = schedule_fault(text)
    return [invalid(field, text, fault)] if fault else []


def schedule_fault(text: str) -> str:
    """What is wrong with a schedule of five fields or a descriptor; "" when nothing is."""
    if text.startswith("@"):
        known = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
        if text in known or re.fullmatch(r"@every \d+(\.\d+)?(ns|us|ms|s|m|h)(\d+(s|m))*", text):
            return ""
        return f"unrecognized descriptor: {text}"
    fields = text.split()
    if len(fields) != len(_RANGES):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for value, (low, high) in zip(fields, _RANGES, strict=True):
        for part in value.split(","):
            if fault := _part_fault(part, low, high):
                return fault
    return ""


def _part_fault(part: str, low: int, high: int) -> str:
    span, _, step = part.partition("/")
    if step and not step.isdigit():
        return f'failed to parse int from {step}: strconv.Atoi: parsing "{step}": invalid syntax'
    if step == "0":
        return f"step of range should be a positive number: {part}"
    if span in ("*", "?"):
        return ""
    first, _, last = span.partition("-")
    for number in (first, last or first):
        if not number.isdigit():
            if re.fullmatch(r"[A-Za-z]{3}", number) and high in (12, 7):
                continue
            return f'failed to parse int from {number}: strconv.Atoi: parsing "{number}": invalid syntax'
        if int(number) < low:
            return f"beginning of range ({number}) below minimum ({low}): {part}"
        if int(number) > (6 if high == 7 else high):
            return f"end of range ({number}) above maximum ({6 if high == 7 else high}): {part}"
    if last and first.isdigit() and last.isdigit() and int(first) > int(last):
        return f"beginning of range ({first}) beyond end of range ({last}): {part}"
    return ""
