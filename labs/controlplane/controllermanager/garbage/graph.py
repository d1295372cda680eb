"""Who owns whom: all objects by UID, with the owners that they name, present or not.

Mirrors `pkg/controller/garbagecollector/graph.go` and `graph_builder.go`. Only names, references and
finalizers are kept of each object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..objects import Object, is_going, uid_of

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True)
class Reference:
    """Where to find an object. `namespace` is "" for what is in none."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass
class Node:
    """An object as the graph knows it. `seen` tells an object that was there from one only referred to."""

    reference: Reference
    owners: dict[str, Object] = field(default_factory=dict)
    dependents: set[str] = field(default_factory=set)
    finalizers: tuple[str, ...] = ()
    going: bool = False
    seen: bool = False

    @property
    def deletes_dependents(self) -> bool:
        """Whether the object waits for its dependents to go first."""
        return self.going and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        """Whether the object waits for its dependents to be let go."""
        return self.going and ORPHAN in self.finalizers


@dataclass
class Work:
    """What a change calls for: UIDs of objects that may have to go, and of owners to be orphaned of all."""

    delete: list[str] = field(default_factory=list)
    orphan: list[str] = field(default_factory=list)


class Graph:
    """The graph, kept by telling it what was seen."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        """The node with that UID."""
        return self._nodes.get(uid)

    def dependents(self, node: Node) -> list[Node]:
        """The objects that name this one as an owner."""
        return [self._nodes[uid] for uid in sorted(node.dependents)]

    def blocking(self, node: Node) -> list[Node]:
        """The dependents that this object's deletion has to wait for."""
        return [
            dependent
            for dependent in self.dependents(node)
            if dependent.owners[node.reference.uid].get("blockOwnerDeletion")
        ]

    def observe(self, obj: Object, api_version: str, kind: str) -> Work:
        """An object was added or changed."""
        metadata, uid = obj["metadata"], uid_of(obj)
        node = self._nodes.get(uid)
        reference = Reference(api_version, kind, metadata.get("namespace", ""), metadata["name"], uid)
        was_deleting = node is not None and node.deletes_dependents
        was_orphaning = node is not None and node.orphans_dependents
        if node is None:
            node = self._nodes[uid] = Node(reference)
        first = not node.seen
        node.reference, node.seen = reference, True
        node.finalizers = tuple(metadata.get("finalizers") or ())
        node.going = is_going(obj)
        before = node.owners
        node.owners = {owner["uid"]: owner for owner in metadata.get("ownerReferences") or []}
        self._link(node, before)
        work = Work()
        # Of a new object an owner may be gone already, of a changed one the last that it had.
        if (first and node.owners) or before != node.owners or (node.going and not node.finalizers):
            work.delete.append(uid)
        for owner in self._unblocked(before, node.owners):
            work.delete.append(owner)
        if node.orphans_dependents and not was_orphaning:
            work.orphan.append(uid)
        if node.deletes_dependents and not was_deleting:
            work.delete += [*sorted(node.dependents), uid]
        return work

    def forget(self, uid: str) -> Work:
        """An object is gone."""
        node = self._nodes.get(uid)
        if node is None:
            return Work()
        owners = list(node.owners)
        dependents = sorted(node.dependents)
        node.seen, node.going, node.finalizers = False, False, ()
        self._unlink(node)
        if not node.dependents:
            self._nodes.pop(uid, None)
        waiting = [
            o for o in owners if (owner := self._nodes.get(o)) is not None and owner.deletes_dependents
        ]
        return Work(delete=dependents + waiting)

    def _link(self, node: Node, before: Mapping[str, Object]) -> None:
        uid = node.reference.uid
        for gone in before.keys() - node.owners.keys():
            self._release(gone, uid)
        for owner_uid, owner in node.owners.items():
            found = self._nodes.get(owner_uid)
            if found is None:
                namespace = node.reference.namespace
                reference = Reference(owner["apiVersion"], owner["kind"], namespace, owner["name"], owner_uid)
                found = self._nodes[owner_uid] = Node(reference)
            found.dependents.add(uid)

    def _unlink(self, node: Node) -> None:
        for owner_uid in node.owners:
            self._release(owner_uid, node.reference.uid)
        node.owners = {}

    def _release(self, owner_uid: str, uid: str) -> None:
        owner = self._nodes.get(owner_uid)
        if owner is None:
            return
        owner.dependents.discard(uid)
        if not owner.seen and not owner.dependents:
            del self._nodes[owner_uid]

    def _unblocked(self, before: Mapping[str, Object], after: Mapping[str, Object]) -> Iterable[str]:
        """Owners in foreground deletion that need not wait for this object any more."""
        for uid, reference in before.items():
            now = after.get(uid)
            freed = now is None or (reference.get("blockOwnerDeletion") and not now.get("blockOwnerDeletion"))
            owner = self._nodes.get(uid)
            if freed and owner is not None and owner.deletes_dependents:
                yield uid
