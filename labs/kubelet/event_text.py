"""An event as Go prints the object (`v1.Event.String`): what the journal shows of one that was lost."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_NEVER = "0001-01-01 00:00:00 +0000 UTC"


def in_go(event: Mapping[str, Any], first: datetime, last: datetime, began: datetime) -> str:
    """The event, which happened between `first` and `last`; `began` is when this process did."""
    meta, about, source = event["metadata"], event["involvedObject"], event["source"]
    reference = ",".join(
        f"{name}:{about.get(key, '')}"
        for name, key in (
            *(("Kind", "kind"), ("Namespace", "namespace"), ("Name", "name"), ("UID", "uid")),
            *(
                ("APIVersion", "apiVersion"),
                ("ResourceVersion", "resourceVersion"),
                ("FieldPath", "fieldPath"),
            ),
        )
    )
    empty = f"0 {_NEVER} <nil> <nil> map[] map[] [] [] []"
    return (
        f"&Event{{ObjectMeta:{{{meta['name']}  {meta['namespace']}    {empty}}},"
        f"InvolvedObject:ObjectReference{{{reference},}},Reason:{event['reason']},Message:{event['message']},"
        f"Source:EventSource{{Component:{source['component']},Host:{source['host']},}},"
        f"FirstTimestamp:{_time(first, began)},LastTimestamp:{_time(last, began)},Count:{event['count']},"
        f"Type:{event['type']},EventTime:{_NEVER},Series:nil,Action:,Related:nil,"
        f"ReportingController:{event['reportingComponent']},ReportingInstance:{event['reportingInstance']},}}"
    )


def _time(at: datetime, began: datetime) -> str:
    """With the monotonic clock's reading, which Go counts from the start of the process."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S.%f}000 +0000 UTC m=+{(at - began).total_seconds():.9f}"
