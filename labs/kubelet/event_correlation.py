"""Which events are told apart, and how many the API hears (`client-go/tools/record/events_cache.go`).

Without it a probe whose every failure reads differently would fill etcd; with it such failures become one
event, `(combined from similar events): …`, and one pod's events trickle after the first 25 of a type.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

#: From this many messages of one reason on, new ones are combined.
SIMILAR = 10
#: Seconds after the last of them until messages are told apart again.
INTERVAL = 600
#: Events that an object may have at once, by type; then one more every so many seconds.
BURST, REFILL = 25, 300
COMBINED = "(combined from similar events): "
KEPT = 4096
V = TypeVar("V")


@dataclass
class _Similar:
    last: datetime
    messages: set[str] = field(default_factory=set)


@dataclass
class _Bucket:
    at: datetime
    tokens: float = BURST


class Correlator:
    """Remembers the latest objects and reasons; others are forgotten first."""

    def __init__(self) -> None:
        self._similar: OrderedDict[Hashable, _Similar] = OrderedDict()
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def combines(self, group: Hashable, message: str, at: datetime) -> bool:
        """Whether `message` is one too many of `group`: an object's events of one type and reason."""
        similar = _recent(self._similar, group, _Similar(at))
        if (at - similar.last).total_seconds() > INTERVAL:
            similar.messages.clear()
        similar.last = at
        if message not in similar.messages and len(similar.messages) + 1 >= SIMILAR:
            return True
        similar.messages.add(message)
        return False

    def passes(self, about: Hashable, at: datetime) -> bool:
        """Whether the API is told of one more event of `about`: an object and a type."""
        bucket = _recent(self._buckets, about, _Bucket(at))
        bucket.tokens = min(BURST, bucket.tokens + (at - bucket.at).total_seconds() / REFILL)
        bucket.at = at
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def _recent(known: OrderedDict[Hashable, V], key: Hashable, new: V) -> V:
    """What is known of `key`, or `new`, now the most recent."""
    value = known.setdefault(key, new)
    known.move_to_end(key)
    if len(known) > KEPT:
        known.popitem(last=False)
    return value
