"""Crash-loop and image-pull back-off (`client-go/util/flowcontrol/backoff.go`, `doBackOff`)."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Entry:
    delay: float
    since: float


class Backoff:
    """Doubling delays per key, from `initial` to `maximum` seconds; quiet for `forgotten` seconds resets."""

    def __init__(
        self, initial: float, maximum: float, now: Callable[[], float], forgotten: float = 600.0
    ) -> None:
        self._forgotten = forgotten
        self._initial = initial
        self._maximum = maximum
        self._now = now
        self._entries: dict[str, _Entry] = {}

    def remaining(self, key: str, since: float) -> float:
        """The delay that is in force now for a failure at `since`; 0 when the next try may be made."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since):
            return 0.0
        return entry.delay if self._now() - since < entry.delay else 0.0

    def until(self, key: str, since: float) -> float:
        """When the delay for a failure at `since` ends."""
        entry = self._entries.get(key)
        return since + entry.delay if entry else since

    def next(self, key: str, since: float) -> None:
        """A try is being made: the next failure waits twice as long."""
        entry, now = self._entries.get(key), self._now()
        if entry is None or self._expired(entry, since):
            self._entries[key] = _Entry(self._initial, now)
        else:
            entry.delay = min(entry.delay * 2, self._maximum)
            entry.since = now
        self._entries = {k: e for k, e in self._entries.items() if not self._expired(e, now)}

    def known(self) -> set[str]:
        """The keys whose last try still matters."""
        return set(self._entries)

    def _expired(self, entry: _Entry, since: float) -> bool:
        return since - entry.since > self._forgotten
