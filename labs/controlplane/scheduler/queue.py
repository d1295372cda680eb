"""Pods that wait for a node: at once, after a back-off, or for a change (`scheduling_queue.go`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import events
from .nodeinfo import PodInfo
from .plugins import FILTERS

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 10.0
#: What nothing has moved for so long is tried again.
UNSCHEDULABLE_SECONDS = 300.0
_EVENTS = {each.name: each.events for each in FILTERS}


@dataclass
class QueuedPod:
    """A pod that has no node yet."""

    pod: PodInfo
    added: float
    attempts: int = 0
    #: The rules that rejected it the last time.
    rejected_by: frozenset[str] = field(default_factory=frozenset)
    #: When it was last found to fit nowhere.
    failed: float = 0.0

    def waits_for(self, event: str) -> bool:
        """Whether a change may help."""
        if not self.rejected_by:
            return True
        return any(event in _EVENTS.get(plugin, events.EVERY) for plugin in self.rejected_by)


class SchedulingQueue:
    """The most important first, among equals the one that waits longest."""

    def __init__(
        self,
        *,
        first_backoff: float = FIRST_BACKOFF_SECONDS,
        longest_backoff: float = LONGEST_BACKOFF_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first, self._longest, self._clock = first_backoff, longest_backoff, clock
        self._active: dict[str, QueuedPod] = {}
        self._unschedulable: dict[str, QueuedPod] = {}
        self._backing_off: dict[str, tuple[QueuedPod, asyncio.TimerHandle]] = {}
        self._ready = asyncio.Event()

    def counts(self) -> dict[str, int]:
        """How many wait for what, by the names of the metric scheduler_pending_pods."""
        return {
            "active": len(self._active),
            "backoff": len(self._backing_off),
            "unschedulable": len(self._unschedulable),
        }

    def add(self, pod: PodInfo) -> None:
        """A pod without a node has come."""
        self._activate(QueuedPod(pod, self._clock()))

    def update(self, pod: PodInfo, *, worth_a_try: bool) -> None:
        """A waiting pod has changed; `worth_a_try` when that may let it fit somewhere."""
        for waiting in (self._active, self._unschedulable):
            if queued := waiting.get(pod.uid):
                queued.pod = pod
                if waiting is self._unschedulable and worth_a_try:
                    del self._unschedulable[pod.uid]
                    self._after_backoff(queued)
                return
        if pod.uid in self._backing_off:
            self._backing_off[pod.uid][0].pod = pod
        else:
            self.add(pod)

    def remove(self, uid: str) -> None:
        """A pod has gone, or has a node."""
        self._active.pop(uid, None)
        self._unschedulable.pop(uid, None)
        if uid in self._backing_off:
            self._backing_off.pop(uid)[1].cancel()

    async def pop(self) -> QueuedPod:
        """The next pod to place."""
        while not self._active:
            self._ready.clear()
            await self._ready.wait()
        queued = min(self._active.values(), key=lambda each: (-each.pod.priority, each.added))
        del self._active[queued.pod.uid]
        queued.attempts += 1
        return queued

    def unschedulable(self, queued: QueuedPod, rejected_by: frozenset[str]) -> None:
        """The pod fits nowhere now: it waits for a change."""
        queued.rejected_by, queued.failed = rejected_by, self._clock()
        self._unschedulable[queued.pod.uid] = queued

    def retry(self, queued: QueuedPod) -> None:
        """Something went wrong on the way: the pod is tried again after its back-off."""
        queued.rejected_by, queued.failed = frozenset(), self._clock()
        self._after_backoff(queued)

    def move(self, event: str) -> None:
        """Something has changed that pods may wait for."""
        for uid, queued in list(self._unschedulable.items()):
            if queued.waits_for(event):
                del self._unschedulable[uid]
                self._after_backoff(queued)

    def flush(self) -> None:
        """Try again what nothing has moved for long."""
        for uid, queued in list(self._unschedulable.items()):
            if self._clock() - queued.failed > UNSCHEDULABLE_SECONDS:
                del self._unschedulable[uid]
                self._after_backoff(queued)

    def _after_backoff(self, queued: QueuedPod) -> None:
        wait = queued.failed + self._backoff(queued.attempts) - self._clock()
        if wait <= 0:
            self._activate(queued)
            return
        uid = queued.pod.uid
        timer = asyncio.get_running_loop().call_later(wait, self._backoff_over, uid)
        self._backing_off[uid] = (queued, timer)

    def _backoff(self, attempts: int) -> float:
        return min(self._first * 2.0 ** min(max(attempts - 1, 0), 30), self._longest) if attempts else 0.0

    def _backoff_over(self, uid: str) -> None:
        queued, _ = self._backing_off.pop(uid)
        self._activate(queued)

    def _activate(self, queued: QueuedPod) -> None:
        self._active[queued.pod.uid] = queued
        self._ready.set()
