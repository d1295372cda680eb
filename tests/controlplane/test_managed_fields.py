"""The algebra of field sets, and merging by schema, for any objects."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labs.controlplane.apiserver.managedfields import APPLY, UPDATE, Manager, _sets, applied, updated
from labs.controlplane.apiserver.resources import core

PODS = core("pods")
NAMES = st.sampled_from(["a", "b", "c"])
CONTAINER = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "image": NAMES,
        "args": st.lists(NAMES, max_size=2),
        "ports": st.lists(
            st.fixed_dictionaries({"containerPort": st.integers(1, 3)}, optional={"name": NAMES}),
            max_size=2,
            unique_by=lambda port: port["containerPort"],
        ),
    },
)
OBJECTS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": st.just("p")}, optional={"labels": st.dictionaries(NAMES, NAMES, max_size=3)}
        ),
        "spec": st.fixed_dictionaries(
            {"containers": st.lists(CONTAINER, max_size=3, unique_by=lambda c: c["name"])},
            optional={"nodeName": NAMES, "nodeSelector": st.dictionaries(NAMES, NAMES, max_size=2)},
        ),
    }
)
ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', "v:1"])


def trees(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Field sets as they are stored."""
    if depth == 0:
        return st.just({})
    below = trees(depth - 1)
    inner = st.tuples(st.dictionaries(ELEMENTS, below, min_size=1, max_size=2), st.booleans()).map(
        lambda pair: {**({".": {}} if pair[1] else {}), **pair[0]}
    )
    return st.dictionaries(ELEMENTS, st.one_of(st.just({}), inner), max_size=3)


def members(tree: dict[str, Any]) -> set[str]:
    """What a set contains."""
    return set(_sets.paths(tree))


@given(trees(), trees())
@settings(deadline=None)
def test_sets_behave_as_sets(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert members(_sets.union(left, right)) == members(left) | members(right)
    assert members(_sets.difference(left, right)) == members(left) - members(right)
    assert members(_sets.intersection(left, right)) == members(left) & members(right)


def _apply(live: dict[str, Any] | None, config: dict[str, Any], name: str = "me") -> dict[str, Any]:
    return applied(PODS, live, config, Manager(name, APPLY, "v1"), force=True)


@given(OBJECTS, OBJECTS)
@settings(deadline=None)
def test_applying_twice_is_applying_once(live: dict[str, Any], config: dict[str, Any]) -> None:
    once = _apply(_apply(None, live, "other"), config)

    assert _apply(once, config) == once


@given(OBJECTS, OBJECTS)
@settings(deadline=None)
def test_what_one_manager_applies_last_is_all_there_is(first: dict[str, Any], last: dict[str, Any]) -> None:
    result = _apply(_apply(None, first), last)
    result["metadata"].pop("managedFields", None)
    result.setdefault("spec", {}).setdefault("containers", [])

    assert _without_empty(result) == _without_empty(last)


@given(OBJECTS, OBJECTS)
@settings(deadline=None)
def test_an_update_is_managed_by_who_made_it(old: dict[str, Any], new: dict[str, Any]) -> None:
    live = _apply(None, old)
    entries = updated(PODS, live, {**new, "metadata": dict(new["metadata"])}, Manager("me", UPDATE, "v1"))

    by_name = {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}
    applied_fields, updated_fields = by_name.get(("me", "Apply"), {}), by_name.get(("me", "Update"), {})
    assert not _sets.intersection(applied_fields, updated_fields)


def _without_empty(value: Any) -> Any:
    """An object in which nothing and an empty container are the same."""
    if isinstance(value, dict):
        parts = {key: _without_empty(part) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part not in ({}, [])}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value
