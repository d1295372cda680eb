"""Parts of the store that the server itself asks at every request, kept in memory by the shared watch.

A follower gets every object below its prefix once, and then every change, before any client's watch has it. A
reader that must not miss what was answered before waits for `settled`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from . import status
from .storage import Object, Page, Storage
from .watching import Event, Hub

#: Writes below these are waited for before the next request is judged: who revokes a role has revoked it, and
#: nothing more comes into a namespace that was deleted.
AWAITED = ("/registry/role", "/registry/clusterrole", "/registry/namespaces/")
#: How long to wait for a watch that has fallen behind.
SETTLE_SECONDS = 30.0
RETRY_SECONDS = 0.1


class Follower(Protocol):
    """Who wants to know of the objects below some prefixes."""

    @property
    def prefixes(self) -> Sequence[str]:
        """What the keys begin with that it wants to know of."""

    def replace(self, prefix: str, objects: dict[str, Object]) -> None:
        """These, by key, are all there are below a prefix."""

    def change(self, prefix: str, key: str, obj: Object | None) -> None:
        """An object is now like this, or gone."""


class Kept:
    """A follower that keeps all that it is told of, by prefix and key."""

    def __init__(self, *prefixes: str) -> None:
        self.prefixes: Sequence[str] = prefixes
        self.known: dict[str, dict[str, Object]] = {prefix: {} for prefix in prefixes}

    def replace(self, prefix: str, objects: dict[str, Object]) -> None:
        """These, by key, are all there are below a prefix."""
        self.known[prefix] = objects
        self.changed()

    def change(self, prefix: str, key: str, obj: Object | None) -> None:
        """An object is now like this, or gone."""
        if obj is None:
            self.known[prefix].pop(key, None)
        else:
            self.known[prefix][key] = obj
        self.changed()

    def changed(self) -> None:
        """What to do when anything has changed; nothing, unless a subclass says otherwise."""


class Informers:
    """Feeds followers; `load` once before the hub runs."""

    def __init__(self, storage: Storage, hub: Hub, followers: Sequence[Follower]) -> None:
        self._storage = storage
        self._hub = hub
        self._by_prefix = {prefix: follower for follower in followers for prefix in follower.prefixes}
        self._prefixes = tuple(self._by_prefix)
        #: Up to which revision of the store each prefix was listed.
        self._listed: dict[str, int] = {}
        self._waiting: list[Event] | None = []
        self._reloading: asyncio.Task[None] | None = None
        self._written = 0
        hub.observers.append(self)
        storage.on_write = self._note

    async def load(self) -> None:
        """Read all there is; changes that come meanwhile are applied afterwards."""
        self._waiting = []
        pages = await asyncio.gather(*(self._storage.list(prefix) for prefix in self._prefixes))
        for prefix, page in zip(self._prefixes, pages, strict=True):
            self._replace(prefix, page)
        missed, self._waiting = self._waiting, None
        for event in missed:
            self.offer(event)

    def _replace(self, prefix: str, page: Page) -> None:
        self._listed[prefix] = page.revision
        self._by_prefix[prefix].replace(prefix, {stored.key: stored.object for stored in page.items})

    def offer(self, event: Event) -> None:
        """Take a change of the store."""
        if not event.key.startswith(self._prefixes):
            return
        if self._waiting is not None:
            self._waiting.append(event)
            return
        prefix = next(prefix for prefix in self._prefixes if event.key.startswith(prefix))
        if event.revision > self._listed[prefix]:
            self._by_prefix[prefix].change(prefix, event.key, event.after)

    def reset(self) -> None:
        """Changes were lost, or the store is another: read all again."""
        self._waiting = []
        self._written = 0
        self._storage.forget()
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._reload())

    async def _reload(self) -> None:
        from .etcd import EtcdError

        while True:
            try:
                return await self.load()
            except EtcdError:
                await asyncio.sleep(RETRY_SECONDS)

    def _note(self, key: str, revision: int) -> None:
        if key.startswith(AWAITED):
            self._written = max(self._written, revision)

    async def settled(self) -> None:
        """Until all `AWAITED` writes that were answered are known here.

        Raises a 504 when the watch does not come: rather no decision than one by roles that are no more.
        """
        if self._written > self._hub.revision and not await self._hub.wait_for(self._written, SETTLE_SECONDS):
            raise status.timeout()
