"""A store finds objects by key and by index, whatever was put and removed before."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labs.controlplane.client import Store, by_owner, key_of, split_key


def obj(namespace: str, name: str, owner: str = "") -> dict[str, Any]:
    references = [{"uid": owner, "controller": True}] if owner else []
    return {"metadata": {"namespace": namespace, "name": name, "ownerReferences": references}}


def test_a_key_has_the_namespace_where_there_is_one() -> None:
    assert key_of(obj("default", "web")) == "default/web"
    assert key_of({"metadata": {"name": "alpha"}}) == "alpha"
    assert split_key("default/web") == ("default", "web")
    assert split_key("alpha") == ("", "alpha")


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from(["", "u", "v"])
        )
    )
)
def test_indices_say_what_a_search_would(steps: list[tuple[bool, str, str, str]]) -> None:
    store, model = Store({"owner": by_owner}), {}
    for put, namespace, name, owner in steps:
        if put:
            store.put(obj(namespace, name, owner))
            model[f"{namespace}/{name}"] = owner
        else:
            store.remove(f"{namespace}/{name}")
            model.pop(f"{namespace}/{name}", None)

    for owner in ("u", "v"):
        expected = sorted(key for key, value in model.items() if value == owner)
        assert [key_of(each) for each in store.index("owner", owner)] == expected
    for namespace in "ab":
        expected = sorted(key for key in model if key.startswith(f"{namespace}/"))
        assert [key_of(each) for each in store.index("namespace", namespace)] == expected
