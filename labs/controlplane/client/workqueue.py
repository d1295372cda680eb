"""Keys waiting to be worked on: client-go's rate limiting work queue.

A key that is added again while it waits is there once; one added while it is worked on waits until that is
done, so that no two workers ever have the same key.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY_SECONDS = 0.005
LONGEST_RETRY_SECONDS = 1000.0
#: All retries of a queue together: so many at once, then so many a second.
RETRIES_AT_ONCE, RETRIES_A_SECOND = 100, 10


class WorkQueue(Generic[Key]):
    """The queue; it belongs to one event loop."""

    def __init__(
        self,
        name: str,
        *,
        first_retry: float = FIRST_RETRY_SECONDS,
        longest_retry: float = LONGEST_RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._first, self._longest = first_retry, longest_retry
        self._clock = clock
        self._waiting: OrderedDict[Key, None] = OrderedDict()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, tuple[float, asyncio.TimerHandle]] = {}
        self._ready = asyncio.Event()
        self._tokens, self._refilled = float(RETRIES_AT_ONCE), clock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: Key) -> None:
        """Have `key` worked on."""
        if key in self._working:
            self._again.add(key)
        else:
            self._waiting.setdefault(key)
            self._ready.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """`add` in so many seconds, or earlier if it was asked for earlier."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock() + seconds
        if key in self._timers:
            known, timer = self._timers[key]
            if known <= due:
                return
            timer.cancel()
        self._timers[key] = (due, asyncio.get_running_loop().call_later(seconds, self._due, key))

    def add_rate_limited(self, key: Key) -> None:
        """`add` after a failure: later with each one since `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        exponential = min(self._first * 2.0 ** min(failures, 64), self._longest)
        self.add_after(key, max(exponential, self._token()))

    def forget(self, key: Key) -> None:
        """`key` was worked on without a failure."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        """How often `key` has been added after a failure."""
        return self._failures.get(key, 0)

    async def get(self) -> Key:
        """The next key; `done` must follow."""
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        key, _ = self._waiting.popitem(last=False)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """The work on `key` has ended."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    async def work(
        self,
        sync: Callable[[Key], Awaitable[None]],
        complain: Callable[[Key, Exception], None],
        workers: int = 1,
    ) -> None:
        """Work for ever with `sync`. A key whose work raises is told to `complain` and tried again later."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(sync, complain))

    async def _work(
        self, sync: Callable[[Key], Awaitable[None]], complain: Callable[[Key, Exception], None]
    ) -> None:
        while True:
            key = await self.get()
            try:
                await sync(key)
            except Exception as error:
                complain(key, error)
                self.add_rate_limited(key)
            else:
                self.forget(key)
            finally:
                self.done(key)

    def _due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)

    def _token(self) -> float:
        """Seconds until the queue as a whole may retry again (a token bucket)."""
        now = self._clock()
        self._tokens = min(RETRIES_AT_ONCE, self._tokens + (now - self._refilled) * RETRIES_A_SECOND)
        self._refilled = now
        self._tokens -= 1
        return max(0.0, -self._tokens / RETRIES_A_SECOND)
