"""Objects in etcd: JSON under `/registry/…`, the modification revision as `resourceVersion`.

Every write is a transaction on the revision that was read, so two writers never overwrite each other
unknowingly. Mirrors the semantics of `k8s.io/apiserver/pkg/storage/etcd3`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from . import status
from .etcd import Compacted, Etcd, FutureRevision, KeyValue, prefix_end

Object = dict[str, Any]

#: Events are kept for an hour, as `--event-ttl` says by default; keys share a lease for a minute.
LEASE_REUSE_SECONDS = 60
#: The objects written last are remembered, so many, if they are no longer than so many bytes.
REMEMBERED, REMEMBERED_BYTES = 64, 32 * 1024
#: etcd's `--max-txn-ops`.
TRANSACTION_LIMIT = 128


class AlreadyExists(Exception):
    """`create` of a key that is there."""


class Changed(Exception):
    """The key is not as the writer saw it; `current` is how it is (None: gone)."""

    def __init__(self, current: Stored | None) -> None:
        super().__init__("changed")
        self.current = current


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it stands in etcd, `metadata.resourceVersion` filled in."""

    key: str
    object: Object
    revision: int


@dataclass(frozen=True)
class Page:
    """Part of a list: `next_key` continues it at the same revision when there is more."""

    items: list[Stored]
    revision: int
    next_key: str | None = None
    remaining: int = 0


def encode(obj: Object) -> bytes:
    """An object's stored form: compact JSON without what etcd itself knows."""
    metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    return json.dumps({**obj, "metadata": metadata}, separators=(",", ":"), ensure_ascii=False).encode()


def decode(value: bytes, revision: int) -> Object:
    """The object whose stored form is `value`."""
    obj: Object = json.loads(value)
    obj["metadata"]["resourceVersion"] = str(revision)
    return obj


def _stored(kv: KeyValue) -> Stored:
    return Stored(kv.key, decode(kv.value, kv.revision), kv.revision)


@dataclass
class Storage:
    """Reads and conditional writes."""

    etcd: Etcd
    #: How long what expires is kept, in seconds.
    event_ttl: float = 3600.0
    #: Told of every write that succeeded: its key and revision.
    on_write: Callable[[str, int], None] = field(default=lambda _key, _revision: None, init=False)
    _lease: str = field(default="", init=False)
    _lease_until: float = field(default=0.0, init=False)
    _lease_lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _recent: dict[str, tuple[bytes, int]] = field(default_factory=dict, init=False)

    async def get(self, key: str) -> Stored | None:
        """The object at `key`."""
        found = await self.etcd.range(key)
        return _stored(found.items[0]) if found.items else None

    def recall(self, key: str) -> Stored | None:
        """The object at `key` as it was last written here, if that was lately.

        It may have changed since: good for a write, which etcd refuses then, and for nothing else.
        """
        value, revision = self._recent.get(key, (b"", 0))
        return Stored(key, decode(value, revision), revision) if value else None

    def forget(self) -> None:
        """Recall nothing: the store may be another."""
        self._recent.clear()

    async def list(
        self,
        prefix: str,
        *,
        limit: int = 0,
        start_key: str | None = None,
        revision: int = 0,
        exact: bool = False,
    ) -> Page:
        """Objects under `prefix` in key order, all of one revision."""
        end = prefix_end(prefix)
        try:
            found = await self.etcd.range(start_key or prefix, end, limit=limit, revision=revision)
        except Compacted as error:
            if exact:
                message = "The resourceVersion for the provided list is too old."
                raise status.expired(message) from error
            raise status.expired(
                "The provided continue parameter is too old to display a consistent list result. You can "
                "start "
                "a new list without the continue parameter, or use the continue token in this response to "
                "retrieve the remainder of the results. Continuing with the provided token results in an "
                "inconsistent list - objects that were created, modified, or deleted between the time "
                "the first "
                "chunk was returned and now may show up in the list."
            ) from error
        except FutureRevision as error:
            raise status.version_too_large(revision, await self.revision()) from error
        items = [_stored(kv) for kv in found.items]
        remaining = found.count - len(items)
        next_key = items[-1].key + "\0" if limit and remaining > 0 else None
        return Page(items, revision or found.revision, next_key, remaining)

    async def revision(self) -> int:
        """Where the store stands."""
        return (await self.etcd.range("/registry/health", count_only=True)).revision

    async def create(self, key: str, obj: Object, *, expires: bool = False) -> Stored:
        """Write an object that must not exist yet."""
        lease = await self._event_lease() if expires else None
        value = encode(obj)
        result = await self.etcd.put(key, value, if_revision=0, lease=lease)
        if not result.succeeded:
            raise AlreadyExists
        return self._written(key, obj, value, result.revision)

    async def create_missing(self, objects: dict[str, Object]) -> int:
        """Write objects by key, as many at once as etcd takes; those that are there already stay.

        Returns the revision of the last write.
        """
        revision, keys = 0, list(objects)
        for start in range(0, len(keys), TRANSACTION_LIMIT):
            part = keys[start : start + TRANSACTION_LIMIT]
            result = await self.etcd.create_all({key: encode(objects[key]) for key in part})
            revision = result.revision
            if result.succeeded:
                self.on_write(part[-1], revision)
                continue
            for key in part:
                with suppress(AlreadyExists):
                    revision = (await self.create(key, objects[key])).revision
        return revision

    async def update(self, key: str, obj: Object, seen: int, *, expires: bool = False) -> Stored:
        """Write an object over the one whose revision is `seen`."""
        lease = await self._event_lease() if expires else None
        value = encode(obj)
        result = await self.etcd.put(key, value, if_revision=seen, lease=lease)
        if not result.succeeded:
            raise Changed(_stored(result.current) if result.current else None)
        return self._written(key, obj, value, result.revision)

    async def delete(self, key: str, seen: int) -> int:
        """Remove the object whose revision is `seen`; returns the revision of the removal."""
        result = await self.etcd.delete(key, if_revision=seen)
        if not result.succeeded:
            raise Changed(_stored(result.current) if result.current else None)
        self.on_write(key, result.revision)
        return result.revision

    def _written(self, key: str, obj: Object, value: bytes, revision: int) -> Stored:
        self.on_write(key, revision)
        self._recent.pop(key, None)
        if len(value) <= REMEMBERED_BYTES:
            self._recent[key] = value, revision
            if len(self._recent) > REMEMBERED:
                del self._recent[next(iter(self._recent))]
        metadata = {**obj["metadata"], "resourceVersion": str(revision)}
        return Stored(key, {**obj, "metadata": metadata}, revision)

    async def _event_lease(self) -> str:
        async with self._lease_lock:
            now = time.monotonic()
            if now >= self._lease_until:
                self._lease = await self.etcd.grant(int(self.event_ttl) + LEASE_REUSE_SECONDS)
                self._lease_until = now + LEASE_REUSE_SECONDS
            return self._lease
