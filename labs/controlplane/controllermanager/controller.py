"""What all controllers have: a queue of keys that they keep right.

The loop that every upstream controller has: handlers put keys into a queue, workers bring the world for
a key to what it should be.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence

from labs.controlplane import klog
from labs.controlplane.client import Informer, Resource, WorkQueue

from .context import ControllerContext
from .objects import Object, key_of


class Controller(ABC):
    """A control loop over the keys of a queue. `run` ends only by being cancelled."""

    #: The name in `--controllers`.
    name: str
    #: The service account that it acts as.
    account: str
    #: Where upstream says "Unhandled Error" of it.
    source: str
    #: Where and how upstream says that it starts.
    started: tuple[str, str]
    workers = 5

    def __init__(self, context: ControllerContext) -> None:
        self.context = context
        self.client = context.client_for(self.account)
        self.queue: WorkQueue[str] = WorkQueue(self.name)
        self._needed: list[Informer] = []
        self._written: dict[str, int] = {}

    def informer(self, resource: Resource) -> Informer:
        """The shared informer of a kind; the loop waits until it is synced."""
        informer = self.context.informers.of(resource)
        self._needed.append(informer)
        return informer

    async def run(self) -> None:
        """Work on keys for ever."""
        await self.start()
        await self.queue.work(self.sync, self.complain, self.workers)

    # -- what was written and is not told of yet
    async def write_status(self, kind: Resource, obj: Object) -> Object:
        """Write an object's status."""
        new = await self.client.update(kind, obj, subresource="status")
        self.wrote(new)
        return new

    def wrote(self, obj: Object) -> None:
        """Remember that what is older than this is old."""
        self._written[key_of(obj)] = _version(obj)

    def is_stale(self, obj: Object) -> bool:
        """Whether this is the object as it was before our own last write; the informer has yet to tell."""
        return _version(obj) < self._written.get(key_of(obj), 0)

    def forget(self, key: str) -> None:
        """The object is gone."""
        self._written.pop(key, None)

    async def start(self) -> None:
        """Say that it starts, and wait for what it needs to know."""
        klog.info(*self.started)
        for informer in self._needed:
            await informer.wait()

    @abstractmethod
    async def sync(self, key: str) -> None:
        """Bring the world for a key to what it should be; what raises is tried again later."""

    def complain(self, key: str, error: Exception) -> None:
        """Tell of a key whose work failed."""
        klog.error(
            self.source,
            "Unhandled Error",
            err=f"sync {klog.quote(key)} failed with {error}",
            logger="UnhandledError",
        )


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def slow_start(actions: Sequence[Callable[[], Awaitable[object]]]) -> tuple[int, Exception | None]:
    """Act one by one, then two at once, then four and so on, until one fails (`slowStartBatch`).

    What fails once mostly fails for all: the API server is not asked a hundred times for what it refuses.
    Returns how many were tried, and the first failure.
    """
    done, batch = 0, 1
    while done < len(actions):
        results = await asyncio.gather(
            *(act() for act in actions[done : done + batch]), return_exceptions=True
        )
        done += len(results)
        batch *= 2
        for result in results:
            if isinstance(result, Exception):
                return done, result
    return done, None
