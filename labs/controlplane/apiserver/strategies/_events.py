"""Events of both groups that show them."""

from __future__ import annotations

from typing import ClassVar

from labs.core import names
from labs.core.field import FieldError, Findings

from ..validation.events import check_event_update, check_new_event, validate_event
from ._base import Object, Strategy


class EventStrategy(Strategy):
    """What happened to an object; kept for an hour. Of its metadata hardly anything is judged."""

    create_on_update = True
    expires = True
    any_finalizer = True
    blank: ClassVar[Object] = {
        **dict.fromkeys(("eventTime", "firstTimestamp", "lastTimestamp")),
        **dict.fromkeys(("reportingComponent", "reportingInstance"), ""),
    }
    #: What the group calls who reports.
    reporter = "reportingComponent"

    def name_faults(self, name: str) -> list[str]:
        return names.path_faults(name)

    def default(self, obj: Object) -> None:
        for part in ("reportingComponent", "reportingInstance"):
            obj.setdefault(part, "")
        for part in ("reason", "message", "type", "action"):
            if obj.get(part) == "":
                del obj[part]
        obj.setdefault("source", {})
        for part in ("eventTime", "firstTimestamp", "lastTimestamp"):
            obj.setdefault(part, None)
        if obj.get("series") is not None:
            obj["series"].setdefault("lastObservedTime", None)

    def validate(self, obj: Object) -> list[FieldError]:
        return validate_event(obj, self.reporter)


class NewEventStrategy(EventStrategy):
    """The same through `events.k8s.io`, whose clients are held to more."""

    any_finalizer = False
    reporter = "reportingController"

    def name_faults(self, name: str) -> list[str]:
        return names.subdomain_faults(name)

    def validate_create(self, obj: Object) -> list[FieldError]:
        found = Findings(super().validate_create(obj))
        check_new_event(found, obj)
        return found

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        found = Findings(super().validate_update(new, old))
        check_event_update(found, new, old)
        return found
