"""What an informer knows: its objects, by `namespace/name` and by index (client-go's Indexer)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from .rest import Object

#: The values under which an object is found in an index.
IndexFunction = Callable[[Object], Iterable[str]]


def key_of(obj: Object) -> str:
    """`namespace/name`, or `name` for what is in no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name) of a key."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


def by_namespace(obj: Object) -> Iterable[str]:
    """The index that every store has."""
    return (obj["metadata"].get("namespace", ""),)


def by_owner(obj: Object) -> Iterable[str]:
    """An index of the objects that a controller owns, by the controller's UID."""
    return [owner["uid"] for owner in obj["metadata"].get("ownerReferences") or () if owner.get("controller")]


class Store:
    """The objects of one kind. They are shared by all who read them: who changes one copies it before."""

    def __init__(self, indices: Mapping[str, IndexFunction] | None = None) -> None:
        self._objects: dict[str, Object] = {}
        self._functions: dict[str, IndexFunction] = {"namespace": by_namespace, **(indices or {})}
        self._indices: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in self._functions}

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> Object | None:
        """One object, if it is known."""
        return self._objects.get(f"{namespace}/{name}" if namespace else name)

    def by_key(self, key: str) -> Object | None:
        """One object by `namespace/name`."""
        return self._objects.get(key)

    def index(self, name: str, value: str) -> list[Object]:
        """The objects that have `value` in the index `name`."""
        return [self._objects[key] for key in sorted(self._indices[name].get(value, ()))]

    def keys(self) -> set[str]:
        """The keys of all objects."""
        return set(self._objects)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add an index to what is there and what will come."""
        if name in self._functions:
            return
        self._functions[name] = function
        found: dict[str, set[str]] = defaultdict(set)
        for key, obj in self._objects.items():
            for value in function(obj):
                found[value].add(key)
        self._indices[name] = found

    def put(self, obj: Object) -> Object | None:
        """Add or replace an object; what was there before."""
        key = key_of(obj)
        old = self._objects.get(key)
        self._objects[key] = obj
        self._reindex(key, old, obj)
        return old

    def remove(self, key: str) -> Object | None:
        """Forget an object; what it was."""
        old = self._objects.pop(key, None)
        self._reindex(key, old, None)
        return old

    def _reindex(self, key: str, old: Object | None, new: Object | None) -> None:
        for name, function in self._functions.items():
            index = self._indices[name]
            for value in function(old) if old else ():
                index[value].discard(key)
                if not index[value]:
                    del index[value]
            for value in function(new) if new else ():
                index[value].add(key)
