"""What goyaml.v2 writes; the documents are answers of kube-apiserver 1.36.2, asked for as YAML."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labs.golang import goyaml

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8", categories=("L", "N", "P"))),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcyn019", min_size=1), inner, max_size=3)
    ),
    max_leaves=12,
)


def test_keys_are_sorted_and_lists_stand_below_their_key() -> None:
    value = {"kind": "APIVersions", "versions": ["v1"], "apiVersion": "v1", "empty": {}, "none": []}

    assert goyaml.dump(value) == ("apiVersion: v1\nempty: {}\nkind: APIVersions\nnone: []\nversions:\n- v1\n")


@pytest.mark.parametrize("text", ["1247", "yes", "n", "1.5", "2026-12-01T00:02:58Z", "null", "~", "", "0x1"])
def test_text_that_could_be_something_else_stands_in_two_strokes(text: str) -> None:
    assert goyaml.dump({"a": text}) == f'a: "{text}"\n'


def test_text_with_a_colon_stands_in_single_strokes_and_long_text_is_folded() -> None:
    text = (
        "only the following media types are accepted: application/json;stream=watch, "
        "application/vnd.kubernetes.protobuf;stream=watch"
    )

    assert goyaml.dump({"message": text}) == (
        "message: 'only the following media types are accepted: application/json;stream=watch,\n"
        "  application/vnd.kubernetes.protobuf;stream=watch'\n"
    )


def test_lines_stay_lines() -> None:
    text = "406: Not Acceptable\n\nAvailable representations: application/json"

    assert goyaml.dump({"message": text}) == (
        "message: |-\n  406: Not Acceptable\n\n  Available representations: application/json\n"
    )


@given(VALUES)
def test_what_is_written_is_read_again(value: object) -> None:
    assert yaml.safe_load(goyaml.dump({"value": value})) == {"value": value}
