"""CronJobs; mirrors `ValidateCronJobCreate` and `ValidateCronJobUpdate`."""

from __future__ import annotations

import re
from typing import Any

from labs.core.field import Findings

from .cron import location_fault, schedule_fault
from .jobs import check_job_spec
from .templates import shown_selector

Object = dict[str, Any]
_POLICIES = ("Allow", "Forbid", "Replace")
_HISTORY = ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")
_ZONE_PART = re.compile(r"(?!-)(?!\.{1,2}$)[A-Za-z._0-9+-]{1,14}")


def validate_cron_job(spec: Object, old: Object | None = None) -> Findings:
    """Everything wrong with a CronJob's spec; `old` is what it was, if it is not new."""
    found = Findings()
    _check_schedule(found, "spec.schedule", spec, old)
    found.not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds", 0))
    zone = spec.get("timeZone")
    if zone is not None and (old is None or old.get("timeZone") != zone):
        _check_zone(found, "spec.timeZone", zone)
    if (policy := spec["concurrencyPolicy"]) not in _POLICIES:
        found.not_supported("spec.concurrencyPolicy", policy, _POLICIES)
    _check_job_template(found, "spec.jobTemplate.spec", spec["jobTemplate"]["spec"])
    for part in _HISTORY:
        found.not_negative(f"spec.{part}", spec.get(part, 0))
    return found


def _check_schedule(found: Findings, path: str, spec: Object, old: Object | None) -> None:
    schedule = spec.get("schedule", "")
    if not schedule:
        found.required(path)
        return
    if fault := schedule_fault(schedule):
        found.invalid(path, schedule, fault)
    if "TZ" not in schedule:
        return
    if old is None or "TZ" not in old.get("schedule", ""):
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        found.invalid(path, schedule, why)
    elif spec.get("timeZone") is not None:
        found.invalid(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _check_zone(found: Findings, path: str, zone: str) -> None:
    if not zone:
        found.invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    if not all(_ZONE_PART.fullmatch(part) for part in zone.split("/")):
        found.invalid(path, zone, f"unknown time zone {zone}")
        return
    if zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        found.invalid(path, zone, why)
    if fault := location_fault(zone):
        found.invalid(path, zone, fault)


def _check_job_template(found: Findings, path: str, job: Object) -> None:
    check_job_spec(found, path, job)
    if (selector := job.get("selector")) is not None:
        found.invalid(f"{path}.selector", shown_selector(selector), "`selector` will be auto-generated")
    if job.get("manualSelector"):
        found.not_supported(f"{path}.manualSelector", True, ("nil", "false"))
