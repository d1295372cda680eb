"""The three kinds of patches, by their rules."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.controlplane.apiserver.patching import PatchError, json_patch, merge_patch, strategic_merge

POD = "io.k8s.api.core.v1.Pod"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=2), json_values, max_size=4)

operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "test", "move", "copy"]),
        "path": st.text("/ab01-~", max_size=5),
    },
    optional={"value": json_values, "from": st.text("/ab01", max_size=4)},
)


def _pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"containers": list(containers), **spec}}


def test_strategic_merge_finds_containers_by_name() -> None:
    patch = {"spec": {"containers": [{"name": "b", "image": "new"}]}}

    merged = strategic_merge(
        _pod({"name": "a", "image": "x"}, {"name": "b", "image": "y", "tty": True}), patch, POD
    )

    assert merged["spec"]["containers"] == [
        {"name": "a", "image": "x"},
        {"name": "b", "image": "new", "tty": True},
    ]


def test_strategic_merge_appends_what_is_new() -> None:
    patch = {"spec": {"containers": [{"name": "c", "image": "z"}]}}

    assert len(strategic_merge(_pod({"name": "a"}), patch, POD)["spec"]["containers"]) == 2


def test_strategic_merge_replaces_lists_without_a_key() -> None:
    before = _pod({"name": "a", "command": ["x"]}, tolerations=[{"key": "a"}])
    patch = {"spec": {"tolerations": [{"key": "b"}], "containers": [{"name": "a", "command": ["y", "z"]}]}}

    merged = strategic_merge(before, patch, POD)

    assert merged["spec"]["tolerations"] == [{"key": "b"}]
    assert merged["spec"]["containers"][0]["command"] == ["y", "z"]


@pytest.mark.parametrize(
    ("containers", "names"),
    [
        ([{"name": "a", "$patch": "delete"}], ["b"]),
        ([{"$patch": "replace"}, {"name": "z"}], ["z"]),
    ],
)
def test_strategic_merge_obeys_directives(containers: list[dict[str, str]], names: list[str]) -> None:
    merged = strategic_merge(_pod({"name": "a"}, {"name": "b"}), {"spec": {"containers": containers}}, POD)

    assert [container["name"] for container in merged["spec"]["containers"]] == names


def test_strategic_merge_removes_single_values_of_plain_lists() -> None:
    before = {"metadata": {"finalizers": ["a", "b"]}}

    merged = strategic_merge(before, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, POD)

    assert merged["metadata"]["finalizers"] == ["b"]


def test_strategic_merge_keeps_the_order_the_client_gives() -> None:
    patch = {
        "spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b"}]}
    }

    merged = strategic_merge(_pod({"name": "a"}, {"name": "b"}), patch, POD)

    assert [container["name"] for container in merged["spec"]["containers"]] == ["b", "a"]


def test_strategic_merge_keeps_only_the_keys_to_retain() -> None:
    before = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    patch = {
        "spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}
    }

    merged = strategic_merge(before, patch, POD)

    assert merged["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/x"}}]


def test_strategic_merge_needs_the_key() -> None:
    with pytest.raises(PatchError, match="does not contain declared merge key: name"):
        strategic_merge(_pod({"name": "a"}), {"spec": {"containers": [{"image": "x"}]}}, POD)


@given(objects, objects)
def test_merging_twice_is_merging_once(target: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(target, patch)

    assert merge_patch(once, patch) == once


@given(objects, objects)
def test_a_merge_leaves_what_it_is_given_alone(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = deepcopy((target, patch))

    merge_patch(target, patch)
    strategic_merge(target, {key: value for key, value in patch.items() if not key.startswith("$")}, POD)

    assert (target, patch) == before


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"op": "add", "path": "/a/1", "value": 9}, {"a": [1, 9, 2]}),
        ({"op": "add", "path": "/a/-", "value": 9}, {"a": [1, 2, 9]}),
        ({"op": "add", "path": "/x~1y", "value": 9}, {"a": [1, 2], "x/y": 9}),
        ({"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"op": "replace", "path": "/a", "value": 3}, {"a": 3}),
        ({"op": "move", "from": "/a/0", "path": "/b"}, {"a": [2], "b": 1}),
        ({"op": "copy", "from": "/a", "path": "/b"}, {"a": [1, 2], "b": [1, 2]}),
        ({"op": "test", "path": "/a/0", "value": 1}, {"a": [1, 2]}),
    ],
)
def test_json_patch_operations(operation: dict[str, Any], after: Any) -> None:
    assert json_patch({"a": [1, 2]}, [operation]) == after


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/a/7", "value": 1},
        {"op": "test", "path": "/a/0", "value": 2},
        {"op": "add", "path": "/nope/x", "value": 1},
        {"op": "move", "path": "/b"},
        {"op": "dance", "path": "/a"},
        {"op": "add"},
    ],
)
def test_json_patches_that_do_not_apply_are_refused_whole(operation: dict[str, Any]) -> None:
    before = {"a": [1, 2]}

    with pytest.raises(PatchError):
        json_patch(before, [{"op": "add", "path": "/z", "value": 0}, operation])

    assert before == {"a": [1, 2]}


@given(objects, st.lists(operations, max_size=3))
def test_any_json_patch_is_applied_or_refused(target: dict[str, Any], patch: list[dict[str, Any]]) -> None:
    try:
        json_patch(target, patch)
    except PatchError:
        return
