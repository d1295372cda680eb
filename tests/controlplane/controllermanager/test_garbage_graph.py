"""Who goes when an owner goes: the graph of owners, and what is decided of each object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.controlplane.controllermanager.garbage.decisions import Delete, Owner, Release, decide
from labs.controlplane.controllermanager.garbage.graph import Graph

Object = dict[str, Any]


def thing(uid: str, *owners: str, block: bool = True, **metadata: Any) -> Object:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": owner, "blockOwnerDeletion": block}
        for owner in owners
    ]
    return {
        "metadata": {
            "name": uid,
            "namespace": "default",
            "uid": uid,
            "ownerReferences": references,
            **metadata,
        }
    }


def see(graph: Graph, obj: Object) -> Any:
    return graph.observe(obj, "v1", "ConfigMap")


def test_dependents_are_looked_at_when_their_owner_is_gone() -> None:
    graph = Graph()
    see(graph, thing("owner"))
    see(graph, thing("a", "owner"))
    see(graph, thing("b", "owner"))

    assert graph.forget("owner").delete == ["a", "b"]


def test_an_object_whose_owner_was_never_seen_is_looked_at() -> None:
    assert see(Graph(), thing("a", "nobody")).delete == ["a"]


def test_an_owner_in_foreground_deletion_has_its_dependents_looked_at_before_itself() -> None:
    graph = Graph()
    see(graph, thing("owner"))
    see(graph, thing("a", "owner"))

    work = see(graph, thing("owner", deletionTimestamp="x", finalizers=["foregroundDeletion"]))

    assert work.delete == ["a", "owner"]


def test_it_is_looked_at_again_when_a_dependent_is_gone() -> None:
    graph = Graph()
    see(graph, thing("owner", deletionTimestamp="x", finalizers=["foregroundDeletion"]))
    see(graph, thing("a", "owner"))

    assert graph.forget("a").delete == ["owner"]


def test_only_dependents_that_block_are_waited_for() -> None:
    graph = Graph()
    see(graph, thing("owner"))
    see(graph, thing("a", "owner", block=False))
    see(graph, thing("b", "owner"))
    owner = graph.get("owner")
    assert owner is not None

    assert [node.reference.name for node in graph.blocking(owner)] == ["b"]


def test_an_owner_that_orphans_is_told_of_once() -> None:
    graph = Graph()
    going = thing("owner", deletionTimestamp="x", finalizers=["orphan"])

    assert (see(graph, going).orphan, see(graph, going).orphan) == (["owner"], [])


@pytest.mark.parametrize(
    ("owners", "dependents", "finalizers", "decision"),
    [
        ([], [], [], None),
        ([Owner.SOLID], [], [], None),
        ([Owner.SOLID, Owner.DANGLING], [], [], Release(("1",))),
        ([Owner.SOLID, Owner.WAITING], [], [], Release(("1",))),
        ([Owner.DANGLING], [], [], Delete("Background")),
        ([Owner.DANGLING], [], ["orphan"], Delete("Orphan")),
        ([Owner.DANGLING], [], ["foregroundDeletion"], Delete("Foreground")),
        ([Owner.WAITING], [], [], Delete("Background")),
        ([Owner.WAITING], [False], [], Delete("Foreground")),
        ([Owner.WAITING], [True], [], Delete("Foreground", unblock=True)),
    ],
)
def test_what_becomes_of_an_object(
    owners: list[Owner], dependents: list[bool], finalizers: list[str], decision: object
) -> None:
    obj = thing("a", finalizers=finalizers)

    assert decide(obj, {str(i): owner for i, owner in enumerate(owners)}, dependents) == decision


names = st.sampled_from("abcdef")


@settings(deadline=None)
@given(st.lists(st.tuples(names, st.lists(names, max_size=3, unique=True), st.booleans()), max_size=30))
def test_the_graph_holds_what_is_there_and_what_is_referred_to_and_no_more(
    changes: list[tuple[str, list[str], bool]],
) -> None:
    graph, there = Graph(), dict[str, list[str]]()

    for uid, owners, is_there in changes:
        if is_there:
            there[uid] = owners
            see(graph, thing(uid, *owners))
        else:
            there.pop(uid, None)
            graph.forget(uid)

        expected = set(there) | {owner for owners in there.values() for owner in owners}
        assert len(graph) == len(expected)
        for name in expected:
            node = graph.get(name)
            assert node is not None
            assert node.dependents == {uid for uid, named in there.items() if name in named}
