"""Events are stored once, as core/v1 has them, and shown to either API group as that group has them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
#: events.k8s.io/v1 name -> core/v1 name.
_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in _RENAMED.items()}


def to_core(event: Object) -> Object:
    """An events.k8s.io/v1 Event as core/v1 has it."""
    return {**{_RENAMED.get(k, k): v for k, v in event.items()}, "apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """A stored Event as events.k8s.io/v1 has it."""
    return {**{_BACK.get(k, k): v for k, v in event.items()}, "apiVersion": "events.k8s.io/v1"}
