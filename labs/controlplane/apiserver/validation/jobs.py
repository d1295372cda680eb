"""Jobs and what CronJobs make them of; mirrors `ValidateJob` and `ValidateJobUpdate`."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import FieldError, Findings, invalid
from labs.core.selectors import selects
from labs.core.validation.pods import validate_pod_template
from labs.core.validation.selectors import validate_label_selector
from labs.golang.quoting import quote

from .differences import go_template
from .job_policies import (
    check_failure_policy,
    check_success_policy,
    shown_failure_policy,
    shown_success_policy,
)
from .templates import check_template_labels, immutable, shown_selector

Object = dict[str, Any]
CONTROLLER_LABEL = "batch.kubernetes.io/controller-uid"
_NAME_LABEL = "batch.kubernetes.io/job-name"
_LEGACY_CONTROLLER_LABEL, _LEGACY_NAME_LABEL = "controller-uid", "job-name"
_NUMBERS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
_MODES = ("NonIndexed", "Indexed")
_REPLACEMENT = ("Failed", "TerminatingOrFailed")
_RESTARTS = ("OnFailure", "Never")
#: The most that an Indexed Job's status can keep track of, and with a limit per index beside it.
_MOST_INDEXES, _MOST_WITH_LIMIT = 100_000, 10_000
_LONGEST_MANAGER = 63
_FIXED = ("completionMode", "backoffLimitPerIndex", "managedBy")


def generated_labels(job: Object) -> dict[str, str]:
    """By which a Job knows its own pods."""
    uid, name = job["metadata"].get("uid", ""), job["metadata"].get("name", "")
    return {
        _LEGACY_CONTROLLER_LABEL: uid,
        _LEGACY_NAME_LABEL: name,
        CONTROLLER_LABEL: uid,
        _NAME_LABEL: name,
    }


def validate_job(job: Object) -> Findings:
    """Everything wrong with a Job, its metadata aside."""
    found, spec = Findings(), job["spec"]
    selector = spec.get("selector")
    faults = validate_label_selector(selector or {}, "spec.selector")
    if selector is not None and not spec.get("manualSelector"):
        _check_generated(found, job)
        if not faults and not selects(selector, generated_labels(job)):
            found.invalid("spec.selector", shown_selector(selector), "`selector` not auto-generated")
    check_job_spec(found, "spec", spec)
    if selector is None:
        found.required("spec.selector")
    found.extend(faults)
    if not faults:
        check_template_labels(found, selector, spec["template"])
    _check_host_names(found, job)
    return found


def validate_job_update(new: Object, old: Object) -> list[FieldError]:
    """What may not change in a Job's spec."""
    errors: list[FieldError] = _completions(new, old)
    errors += immutable(new, old, "spec", "selector")
    if not (new.get("suspend") and old.get("suspend")) and new.get("template") != old.get("template"):
        errors.append(invalid("spec.template", go_template(new["template"]), "field is immutable"))
    for part in _FIXED:
        errors += immutable(new, old, "spec", part)
    for part, shown in (("podFailurePolicy", shown_failure_policy), ("successPolicy", shown_success_policy)):
        if (policy := new.get(part)) != old.get(part):
            errors.append(invalid(f"spec.{part}", policy and shown(policy), "field is immutable"))
    return errors


def check_job_spec(found: Findings, path: str, spec: Object) -> None:
    """What a Job and a CronJob's template of one have in common."""
    for part in _NUMBERS:
        found.not_negative(f"{path}.{part}", spec.get(part, 0))
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        found.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if "managedBy" in spec:
        found.prefixed_path(f"{path}.managedBy", spec["managedBy"])
        if len(spec["managedBy"].encode()) > _LONGEST_MANAGER:
            found.too_long(f"{path}.managedBy", _LONGEST_MANAGER)
    _check_mode(found, path, spec)
    if "podFailurePolicy" in spec:
        check_failure_policy(found, f"{path}.podFailurePolicy", spec)
    if "successPolicy" in spec:
        if spec.get("completionMode") == "Indexed":
            check_success_policy(found, f"{path}.successPolicy", spec)
        else:
            shown = shown_success_policy(spec["successPolicy"])
            found.invalid(f"{path}.successPolicy", shown, "requires indexed completion mode")
    _check_replacement(found, f"{path}.podReplacementPolicy", spec)
    found.extend(validate_pod_template(spec.get("template") or {}, f"{path}.template"))
    _check_restarts(found, f"{path}.template.spec.restartPolicy", spec)


def job_warnings(spec: Object, path: str) -> list[str]:
    """What is told of a Job that is taken, its template aside."""
    many = spec.get("completions", 0) > _MOST_INDEXES and spec.get("parallelism", 0) > _MOST_WITH_LIMIT
    if spec.get("completionMode") != "Indexed" or not many:
        return []
    limits = "a number of completions higher than 10^5 and a parallelism higher than 10^4"
    lost = "might not be able to track completedIndexes when a big number of indexes fail"
    return [f"{path}: In Indexed Jobs with {limits}, Kubernetes {lost}"]


def _check_generated(found: Findings, job: Object) -> None:
    """Labels that the server sets unless the client has, wrongly."""
    labels = job["spec"]["template"].get("metadata", {}).get("labels") or {}
    for key, value in generated_labels(job).items():
        here = f"spec.template.metadata.labels[{key}]"
        if key not in labels:
            found.required(here, f"must be '{value}'")
        elif labels[key] != value:
            found.invalid(here, dict(sorted(labels.items())), f"must be '{value}'")


def _check_host_names(found: Findings, job: Object) -> None:
    """The longest of the names that an Indexed Job's pods will have."""
    spec, name = job["spec"], job["metadata"].get("name", "")
    if spec.get("completionMode") == "Indexed" and spec.get("completions", 0) > 0:
        last = f"{name}-{spec['completions'] - 1}"
        if names.label_faults(last):
            why = f"will not able to create pod with invalid DNS label: {last}"
            found.invalid("metadata.name", name, why)


def _check_mode(found: Findings, path: str, spec: Object) -> None:
    match spec.get("completionMode", "NonIndexed"):
        case "Indexed":
            _check_indexed(found, path, spec)
        case "NonIndexed":
            for part in ("backoffLimitPerIndex", "maxFailedIndexes"):
                if part in spec:
                    found.invalid(f"{path}.{part}", spec[part], "requires indexed completion mode")
        case mode:
            found.not_supported(f"{path}.completionMode", mode, _MODES)


def _check_indexed(found: Findings, path: str, spec: Object) -> None:
    completions, failures = spec.get("completions"), spec.get("maxFailedIndexes", 0)
    limit = "must be less than or equal to"
    if completions is None:
        found.required(f"{path}.completions", "when completion mode is Indexed")
    if (parallelism := spec.get("parallelism", 0)) > _MOST_INDEXES:
        why = f"{limit} {_MOST_INDEXES} when completion mode is Indexed"
        found.invalid(f"{path}.parallelism", parallelism, why)
    if completions is not None and failures > completions:
        found.invalid(f"{path}.maxFailedIndexes", failures, f"{limit} completions")
    if failures > _MOST_INDEXES:
        found.invalid(f"{path}.maxFailedIndexes", failures, f"{limit} {_MOST_INDEXES}")
    if (completions or 0) <= _MOST_INDEXES or "backoffLimitPerIndex" not in spec:
        return
    if "maxFailedIndexes" not in spec:
        why = f"must be specified when completions is above {_MOST_INDEXES}"
        found.required(f"{path}.maxFailedIndexes", why)
    many = f"when completions are above {_MOST_INDEXES} and used with backoff limit per index"
    for part, value in (("parallelism", parallelism), ("maxFailedIndexes", failures)):
        if value > _MOST_WITH_LIMIT:
            found.invalid(f"{path}.{part}", value, f"{limit} {_MOST_WITH_LIMIT} {many}")


def _check_replacement(found: Findings, path: str, spec: Object) -> None:
    choices = _REPLACEMENT[:1] if "podFailurePolicy" in spec else _REPLACEMENT
    if spec.get("podReplacementPolicy", choices[0]) not in choices:
        found.not_supported(path, spec["podReplacementPolicy"], choices)


def _check_restarts(found: Findings, path: str, spec: Object) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "")
    if policy in ("Always", ""):
        found.required(path, f"valid values: {', '.join(map(quote, _RESTARTS))}")
    elif policy not in _RESTARTS:
        found.not_supported(path, policy, _RESTARTS)
    elif policy != "Never" and "podFailurePolicy" in spec:
        found.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _completions(new: Object, old: Object) -> list[FieldError]:
    """An Indexed Job can be scaled: as many at a time as there are indexes."""
    if new.get("completionMode") != "Indexed":
        return immutable(new, old, "spec", "completions")
    found, completions = Findings(), new.get("completions")
    if completions not in (None, old.get("completions"), new.get("parallelism")):
        why = "can only be modified in tandem with spec.parallelism"
        found.invalid("spec.completions", completions, why)
    return found
