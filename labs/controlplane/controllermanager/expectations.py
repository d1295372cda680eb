"""What a controller has done and its informers have not told of yet (`ControllerExpectations`).

A controller that made a pod and does not see it yet must not make another. So it notes what it expects before
it acts, and does nothing more for that key until all of it was seen, or five minutes have gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 300.0


@dataclass
class _Expected:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)


class Expectations:
    """By the key of the owner: how many creations, and the deletions of which UIDs, are yet to be seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expected: dict[str, _Expected] = {}

    def satisfied(self, key: str) -> bool:
        """Whether all was seen, or waited for too long."""
        expected = self._expected.get(key)
        if expected is None or (expected.creations <= 0 and not expected.deletions):
            return True
        return self._clock() - expected.since > TIMEOUT_SECONDS

    def expect(self, key: str, creations: int = 0, deletions: Iterable[str] = ()) -> None:
        """Note what is about to be done for a key."""
        self._expected[key] = _Expected(self._clock(), creations, set(deletions))

    def created(self, key: str, count: int = 1) -> None:
        """Creations were seen, or have failed."""
        if expected := self._expected.get(key):
            expected.creations -= count

    def deleted(self, key: str, uid: str) -> None:
        """A deletion was seen, or has failed."""
        if expected := self._expected.get(key):
            expected.deletions.discard(uid)

    def forget(self, key: str) -> None:
        """The owner is gone."""
        self._expected.pop(key, None)
