"""What admission asks of the store at nearly every request, kept in memory by the shared watch."""

from __future__ import annotations

from ..informers import Kept
from ..storage import Object, Storage


class Lookups(Kept):
    """Namespaces, service accounts and priority classes, by key, as the real server's informers have them."""

    def __init__(self, storage: Storage) -> None:
        super().__init__("/registry/namespaces/", "/registry/serviceaccounts/", "/registry/priorityclasses/")
        self._storage = storage

    async def get(self, key: str) -> Object | None:
        """The object of a key; the store itself is asked for one that is not known (yet)."""
        for known in self.known.values():
            if key in known:
                return known[key]
        stored = await self._storage.get(key)
        return stored.object if stored else None
