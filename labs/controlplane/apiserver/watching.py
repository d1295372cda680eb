"""One watch on etcd, shared by every client's watch.

The hub follows all of `/registry/` and keeps the latest changes, so that a client that lists and then
watches gets every change in between without etcd being asked again. A client that comes with an older
revision is first served from etcd's own history, up to where the hub stands. Decoding and encoding of a
change happen once, however many clients want it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from labs.controlplane import klog

from . import status
from .etcd import Batch, Change, Compacted, Etcd, EtcdError, EtcdUnavailable
from .storage import Object, decode

#: Changes are kept for late watchers up to this many bytes of values.
WINDOW_BYTES = 1024 * 1024
#: A client this many changes behind is cut off; it lists and watches again.
BACKLOG_LIMIT = 10_000
#: So many changes are sent to a client in one piece, when they have come together.
BATCH = 100
#: How long to wait before a lost watch on etcd is set up again.
RECONNECT_SECONDS = 0.1


class Event:
    """A change with its objects decoded on first use; `cache` holds encoded forms by representation."""

    __slots__ = ("_after", "_before", "_change", "cache")

    def __init__(self, change: Change) -> None:
        self._change = change
        self._after: Object | None = None
        self._before: Object | None = None
        self.cache: dict[object, bytes] = {}

    @property
    def key(self) -> str:
        """Where in the store it happened."""
        return self._change.key

    @property
    def revision(self) -> int:
        """The store's revision it made."""
        return self._change.revision

    @property
    def deleted(self) -> bool:
        """Whether the key ceased to be."""
        return self._change.value is None

    @property
    def created(self) -> bool:
        """Whether the key came into being."""
        return self._change.created

    @property
    def size(self) -> int:
        """Bytes of values held."""
        return len(self._change.value or b"") + len(self._change.previous or b"")

    @property
    def after(self) -> Object | None:
        """The object as the change left it; None when it was deleted."""
        if self._after is None and self._change.value is not None:
            self._after = decode(self._change.value, self.revision)
        return self._after

    @property
    def before(self) -> Object | None:
        """The object as it was, under the revision of the change: what a DELETED event carries."""
        if self._before is None and self._change.previous is not None:
            self._before = decode(self._change.previous, self.revision)
        return self._before


class Subscription:
    """One client's queue of changes under a prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self.overrun = False

    def offer(self, event: Event) -> None:
        """Take a change if it is of interest."""
        if not event.key.startswith(self.prefix) or self.overrun:
            return
        if len(self._events) >= BACKLOG_LIMIT:
            self.overrun = True
            self._events.clear()
        else:
            self._events.append(event)
        self._ready.set()

    async def take(self, timeout: float) -> list[Event]:
        """The next changes, at most `BATCH`; none when there are none for `timeout` seconds.

        EOFError after an overrun.
        """
        if not self._events:
            if self.overrun:
                raise EOFError
            self._ready.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._ready.wait()
        return [self._events.popleft() for _ in range(min(len(self._events), BATCH))]


class Observer(Protocol):
    """A part of the server that follows the store."""

    def offer(self, event: Event) -> None:
        """Take a change, at once."""

    def reset(self) -> None:
        """Changes were lost: read again."""


class Hub:
    """The shared watch; `run` is its task."""

    def __init__(self, etcd: Etcd, prefix: str = "/registry/") -> None:
        self._etcd = etcd
        self._prefix = prefix
        self._window: deque[Event] = deque()
        self._window_bytes = 0
        self._subscriptions: set[Subscription] = set()
        #: Who has every change before any client has it.
        self.observers: list[Observer] = []
        self._moved = asyncio.Condition()
        #: Every change up to here has been handed out.
        self.revision = 0
        #: Every change after here is in the window.
        self._floor = 0

    async def start(self) -> None:
        """Find out where the store stands: changes from there on are followed."""
        found = await self._etcd.range(self._prefix, count_only=True)
        self.revision = self._floor = found.revision

    async def run(self) -> None:
        """Follow etcd for ever; a lost connection is made again where it broke."""
        while True:
            try:
                async for batch in self._etcd.watch(self._prefix, self.revision + 1):
                    if not batch.created:
                        await self._hand_out(batch)
                    elif batch.revision < self.revision:
                        # An older store than the one followed until now: restored, or another data directory.
                        self._skip_to(batch.revision)
                        break
            except Compacted as error:
                self._skip_to(error.revision)
            except EtcdUnavailable:
                await asyncio.sleep(RECONNECT_SECONDS)
            except EtcdError as error:
                klog.warning("watcher.go:336", "watch chan error", err=error)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _hand_out(self, batch: Batch) -> None:
        for change in batch.changes:
            event = Event(change)
            self._window.append(event)
            self._window_bytes += event.size
            for observer in self.observers:
                try:
                    observer.offer(event)
                except Exception as error:  # one that cannot take an object must not stop all others
                    klog.error("runtime.go:142", "Observed a panic", panic=repr(error), key=event.key)
            for subscription in self._subscriptions:
                subscription.offer(event)
        while self._window_bytes > WINDOW_BYTES:
            dropped = self._window.popleft()
            self._window_bytes -= dropped.size
            self._floor = dropped.revision
        reached = batch.changes[-1].revision if batch.changes else batch.revision
        if reached > self.revision:
            self.revision = reached
            async with self._moved:
                self._moved.notify_all()

    def _skip_to(self, revision: int) -> None:
        """Changes were lost to compaction: whoever watches must list again."""
        for subscription in self._subscriptions:
            subscription.overrun = True
        for observer in self.observers:
            observer.reset()
        self._window.clear()
        self._window_bytes = 0
        self.revision = self._floor = revision

    @contextlib.asynccontextmanager
    async def subscribe(self, prefix: str, after: int) -> AsyncIterator[tuple[list[Event], Subscription]]:
        """Changes under `prefix` after revision `after`: those that have been, and a queue of those to come.

        Raises `status.expired` when etcd has forgotten some of them.
        """
        subscription = Subscription(prefix)
        self._subscriptions.add(subscription)
        try:
            # No await between registering and reading the window: nothing falls in between.
            position = self.revision
            if after >= self._floor:
                past = [e for e in self._window if e.revision > after and e.key.startswith(prefix)]
            else:
                past = await self._history(prefix, after, position)
            yield past, subscription
        finally:
            self._subscriptions.discard(subscription)

    async def _history(self, prefix: str, after: int, until: int) -> list[Event]:
        """Changes of revisions `after` (exclusive) to `until` (inclusive), from etcd itself."""
        past: list[Event] = []
        if after >= until:
            return past
        # All keys are watched: every revision has a change, so the one of `until` comes and ends the search.
        try:
            async for batch in self._etcd.watch(None, after + 1):
                past += [
                    Event(change)
                    for change in batch.changes
                    if change.revision <= until and change.key.startswith(prefix)
                ]
                if batch.changes and batch.changes[-1].revision >= until:
                    break
        except Compacted as error:
            raise status.expired(f"too old resource version: {after} ({error.revision})") from error
        except EtcdUnavailable as error:
            raise status.timeout() from error
        return past

    async def wait_for(self, revision: int, timeout: float) -> bool:
        """Until changes up to `revision` have been handed out; False when that takes too long."""
        try:
            async with asyncio.timeout(timeout), self._moved:
                await self._moved.wait_for(lambda: self.revision >= revision)
        except TimeoutError:
            return False
        return True
