"""Verdicts as values: their JSON, and that the same evidence always gives the same one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.judge import Verdict
from tests.judge.story import KUBELET, UNHURRIED, Story

ACTS: dict[str, Callable[[Story], object]] = {
    "predict": lambda story: story.answered(uid="new-uid"),
    "guess": lambda story: story.answered(uid="gone"),
    "explain": lambda story: story.answered(why="file"),
    "delete": lambda story: story.delete().kubelet_answers_delete(),
    "force": lambda story: story.delete(grace=0),
    "return": lambda story: story.make_mirror(),
    "forge": lambda story: story.make_mirror(announced=False),
    "edit": lambda story: story.patch("busybox:1.37"),
    "rewrite": lambda story: story.write_manifest("busybox:1.37"),
    "remove": lambda story: story.remove_manifest(),
    "crash": lambda story: story.stop_container().run_container(),
    "kubelet deletes": lambda story: story.delete(by=KUBELET, grace=0),
    "start again": lambda story: story.started(),
}
acts = st.lists(st.sampled_from(sorted(ACTS)), max_size=12)


def told(names: list[str], exercise: str = "delete-mirror-pod") -> Story:
    story = Story(exercise).started()
    for name in names:
        ACTS[name](story)
    return story


def test_the_document_is_the_one_that_the_command_line_promises() -> None:
    document = told(["predict", "delete", "explain"]).verdict().to_json()

    assert {key: document[key] for key in ("exercise", "points", "max")} == {
        "exercise": "delete-mirror-pod",
        "points": 10,
        "max": 10,
    }
    assert all(
        list(one) == ["id", "passed", "points", "max", "rationale", "expected", "seen", "hint"]
        for one in document["criteria"]
    )


def test_a_hint_is_given_with_a_failure_only() -> None:
    verdict = told(["predict", "delete"]).verdict()

    assert {one.id for one in verdict.rulings if one.hint} == {"explained"}


@UNHURRIED
@given(acts)
def test_a_verdict_survives_being_kept(names: list[str]) -> None:
    document = told(names).verdict().to_json()

    assert Verdict.from_json(document).to_json() == document


@UNHURRIED
@given(acts)
def test_the_same_evidence_gives_the_same_verdict(names: list[str]) -> None:
    assert told(names).verdict() == told(names).verdict()


@UNHURRIED
@given(acts)
def test_points_are_never_negative_and_never_above_the_full_score(names: list[str]) -> None:
    assert 0 <= told(names).verdict().points <= 10


@UNHURRIED
@given(acts)
def test_judging_late_gives_the_same_verdict_once_another_exercise_has_begun(names: list[str]) -> None:
    story = told(names).lab("start", exercise="edit-has-no-effect")
    before = story.verdict(after=300)
    told_more = story.answered().delete().kubelet_answers_delete()

    assert told_more.verdict(after=300) == before


@UNHURRIED
@given(acts)
def test_without_a_deed_nothing_but_the_prediction_is_earned(names: list[str]) -> None:
    idle = [name for name in names if name not in ("delete", "force")]

    assert told(idle).passed(after=300) <= {"predicted"}


@UNHURRIED
@given(acts, st.sets(st.sampled_from(["audit", "runtime"])))
def test_a_silent_recorder_turns_no_into_unknown_and_never_into_yes(
    names: list[str], silent: set[str]
) -> None:
    story = told(names)
    known = {one.id: one.passed for one in story.verdict().rulings}
    unsure = {one.id: one.passed for one in story.verdict(silent=tuple(silent)).rulings}

    assert all(unsure[id] in (None, known[id]) for id in known)


@pytest.mark.parametrize("exercise", ["delete-mirror-pod", "edit-has-no-effect"])
def test_an_exercise_that_was_never_started_is_a_plain_zero(exercise: str) -> None:
    verdict = Story(exercise).answered().delete().verdict(silent=("audit", "runtime"))

    assert verdict.points == 0
    assert not verdict.needs_attention
