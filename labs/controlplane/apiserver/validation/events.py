"""Events (`pkg/apis/core/validation/events.go`); the newer group's are judged more strictly."""

from __future__ import annotations

from typing import Any

from labs.core import names
from labs.core.field import Findings

Object = dict[str, Any]
#: The most characters.
_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
_REQUIRED = ("reportingInstance", "action", "reason")
#: What only clients of the old group set.
_OLD = ("firstTimestamp", "lastTimestamp", "count", "source")
#: What the newer group does not let change, as its objects are kept.
_KEPT = (
    *("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type"),
    *("eventTime", "action", "related", "reportingComponent", "reportingInstance"),
)


def validate_event(event: Object, reporter: str) -> Findings:
    """Everything wrong with an event; `reporter` is what the client's group calls `reportingComponent`."""
    found = Findings()
    about = (event.get("involvedObject") or {}).get("namespace", "")
    namespace = event["metadata"].get("namespace", "")
    if event.get("eventTime") is None:
        if (about or "default") != namespace:
            found.invalid("involvedObject.namespace", about, "does not match event.namespace")
        return found
    if not about and namespace not in ("default", "kube-system"):
        found.invalid("involvedObject.namespace", about, "does not match event.namespace")
    component = event.get("reportingComponent", "")
    if not component:
        found.required(reporter)
    found.faults(reporter, component, names.qualified_name_faults(component))
    for part, most in _LIMITS.items():
        text = event.get(part, "")
        if not text and part in _REQUIRED:
            found.required(part)
        if len(text.encode()) > most:
            found.invalid(part, "", f"can have at most {most} characters")
    return found


def check_new_event(found: Findings, event: Object) -> None:
    """What else has to be right of an event that is made through the newer group."""
    _series(found, event)
    if event.get("eventTime") is None:
        found.required("eventTime")
    if (kind := event.get("type", "")) not in ("Normal", "Warning"):
        found.invalid("type", "", f"has invalid value: {kind}")
    for part in _OLD:
        if event.get(part):
            found.invalid(part, "", "needs to be unset")


def check_event_update(found: Findings, new: Object, old: Object) -> None:
    """What may not change of an event through the newer group."""
    if new.get("series") != old.get("series"):
        _series(found, new)
    for part in _KEPT:
        if (new.get(part) or None) != (old.get(part) or None):
            found.invalid(part, new.get(part), "field is immutable")


def _series(found: Findings, event: Object) -> None:
    series = event.get("series")
    if series is None:
        return
    if series.get("count", 0) < 2:
        found.invalid("series.count", "", "should be at least 2")
    if series.get("lastObservedTime") is None:
        found.required("series.lastObservedTime")
