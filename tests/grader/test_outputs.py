"""What of a kernel's messages reaches a notebook."""

import pytest

from grader.outputs import Outputs


def taken(kind: str, content: dict[str, object], budget: int = 10_000) -> list[dict[str, object]]:
    outputs = Outputs(budget)
    outputs.take(kind, content)
    return [dict(node) for node in outputs.nodes]


@pytest.mark.parametrize("unfit", ["\ud800", "\x00", "\x07", "\x9b31m", "\x1b]0;title\x07", "\x1b[2J"])
def test_text_that_no_file_can_hold_or_no_terminal_should_see_is_mended(unfit: str) -> None:
    (node,) = taken("stream", {"name": "stdout", "text": f"before {unfit} after"})

    assert unfit not in str(node["text"])
    assert str(node["text"]).encode().startswith(b"before ")


def test_colours_are_kept() -> None:
    (node,) = taken("stream", {"name": "stderr", "text": "\x1b[0;31mred\x1b[0m"})

    assert node["text"] == "\x1b[0;31mred\x1b[0m"


def test_streams_of_one_name_are_joined() -> None:
    outputs = Outputs(1000)
    for text in ("a", "b"):
        outputs.take("stream", {"name": "stdout", "text": text})

    assert [node.text for node in outputs.nodes] == ["ab"]


def test_clear_output_clears() -> None:
    outputs = Outputs(1000)
    outputs.take("stream", {"name": "stdout", "text": "a"})
    outputs.take("clear_output", {"wait": True})

    assert outputs.nodes == []


def test_an_output_that_is_updated_shows_its_last_state() -> None:
    outputs = Outputs(1000)
    for kind, text in (("display_data", "…"), ("update_display_data", "done")):
        outputs.take(kind, {"data": {"text/plain": text}, "transient": {"display_id": "a"}})
    outputs.take("update_display_data", {"data": {"text/plain": "x"}, "transient": {"display_id": "b"}})

    assert [dict(node.data) for node in outputs.nodes] == [{"text/plain": "done"}]


def test_a_picture_is_kept_only_if_it_may_be_one() -> None:
    (node,) = taken(
        "display_data", {"data": {"image/png": "aGk=", "image/jpeg": "<script>", "text/plain": "x"}}
    )

    assert node["data"] == {"image/png": "aGk=", "text/plain": "x"}


@pytest.mark.parametrize("kind", ["stream", "display_data", "execute_result", "error", "nonsense"])
@pytest.mark.parametrize(
    "content", [{}, {"text": 5, "name": []}, {"data": "x"}, {"data": {"text/plain": []}}, {"traceback": {}}]
)
def test_what_has_the_wrong_shape_is_dropped_or_mended(kind: str, content: dict[str, object]) -> None:
    for node in taken(kind, content):
        assert node["output_type"] == "error"


def test_the_budget_is_for_all_outputs_of_a_cell_together() -> None:
    outputs = Outputs(100)
    for _ in range(10):
        outputs.take("stream", {"name": "stdout", "text": "x" * 30})

    (node,) = outputs.nodes
    assert node.text.count("x") == 100
    assert "output cut" in node.text
