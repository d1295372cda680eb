"""What admission asks of the store at nearly every request, kept in memory by the shared watch."""

from __future__ import annotations

from collections.abc import Sequence

from ..storage import Object, Storage


class Lookups:
    """Namespaces, service accounts and priority classes, by key, as the real server's informers have them."""

    prefixes: Sequence[str] = (
        "/registry/namespaces/",
        "/registry/serviceaccounts/",
        "/registry/priorityclasses/",
    )

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, dict[str, Object]] = {prefix: {} for prefix in self.prefixes}

    def replace(self, prefix: str, objects: dict[str, Object]) -> None:
        """These, by key, are all there are below a prefix."""
        self._known[prefix] = objects

    def change(self, prefix: str, key: str, obj: Object | None) -> None:
        """An object is now like this, or gone."""
        if obj is None:
            self._known[prefix].pop(key, None)
        else:
            self._known[prefix][key] = obj

    async def get(self, key: str) -> Object | None:
        """The object of a key; the store itself is asked for one that is not known (yet)."""
        for known in self._known.values():
            if key in known:
                return known[key]
        stored = await self._storage.get(key)
        return stored.object if stored else None
