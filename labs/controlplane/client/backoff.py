"""How long to wait after a failure: exponential, with a jitter, forgotten after a time without one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """`wait.BackoffManager`: each wait is `factor` times the last one, from `initial` to `limit` seconds."""

    initial: float
    limit: float
    factor: float = 2.0
    jitter: float = 1.0
    #: Without a failure for so many seconds it starts anew.
    reset: float = 120.0
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=0.0, init=False)
    _last: float = field(default=float("-inf"), init=False)

    def next(self) -> float:
        """Seconds to wait now."""
        now = self.clock()
        if now - self._last > self.reset or not self._next:
            self._next = self.initial
        self._last = now
        wait = min(self._next, self.limit)
        self._next = min(self._next * self.factor, self.limit)
        return wait * (1 + random.random() * self.jitter)
