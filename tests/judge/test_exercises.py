"""Exercise files: the ones we ship, and what is said about one that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from labs.judge import ExerciseError, catalogue, load
from labs.judge.exercise import DIRECTORY, parse

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("exercise", catalogue(), ids=lambda exercise: exercise.id)
def test_every_exercise_can_be_earned_in_full_and_missed(exercise: Any) -> None:
    assert exercise.points == exercise.solution.score
    assert all(attempt.score < exercise.points for attempt in exercise.wrong)
    assert set(exercise.solution.answers) == {question.id for question in exercise.questions}
    assert all(exercise.solution.answers[question.id] == question.right for question in exercise.questions)


@pytest.mark.parametrize("exercise", catalogue(), ids=lambda exercise: exercise.id)
def test_no_sentence_about_a_prediction_gives_the_answer_away(exercise: Any) -> None:
    keys = {option.key for question in exercise.questions for option in question.options}
    for criterion in exercise.criteria:
        if criterion.judge == "answered":
            words = set(re.findall(r"[\w-]+", f"{criterion.hint} {criterion.expected}".lower()))
            assert not words & (keys - {"file", "etcd", "hash"})


def test_options_are_in_another_order_for_another_student_and_in_the_same_for_the_same() -> None:
    question = load("delete-mirror-pod").question("uid")

    assert question.shuffled("ada") == question.shuffled("ada")
    assert len({question.shuffled(str(seed)) for seed in range(20)}) > 5
    assert set(question.shuffled("ada")) == set(question.options)


def test_an_unknown_exercise_is_named_with_those_there_are() -> None:
    with pytest.raises(ExerciseError, match=r"no exercise 'delete'; there are: delete-mirror-pod, edit-has"):
        load("delete")


@pytest.mark.parametrize("name", ["../exercises/delete-mirror-pod", "", "delete-mirror-pod.yaml"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(ExerciseError, match="there is no exercise"):
        load(name)


def misspell(document: dict[str, Any]) -> None:
    document["criteria"][1]["point"] = document["criteria"][1].pop("points")


def two_right(document: dict[str, Any]) -> None:
    document["questions"][0]["options"][0]["right"] = True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("title"), "x.yaml: title is missing"),
        (
            lambda d: d.update(minutes="ten"),
            "x.yaml: minutes: expected a whole number of at least 1, found 'ten'",
        ),
        (
            lambda d: d.update(minutes=True),
            "x.yaml: minutes: expected a whole number of at least 1, found True",
        ),
        (lambda d: d.update(level=3), "x.yaml: the file has unknown fields: level"),
        (lambda d: d.update(hints=["one"]), "x.yaml: hints: expected three, found 1"),
        (lambda d: d.update(wrong=d["wrong"][:1]), "x.yaml: wrong: expected at least two wrong solutions"),
        (lambda d: d.update(deed="nap"), "x.yaml: deed: expected one of mirror-deleted, mirror-image-edited"),
        (
            lambda d: d.update(manifests={".web.yaml": "a"}),
            "'.web.yaml' is no file name that the kubelet reads",
        ),
        (misspell, "x.yaml: criteria[1].points is missing"),
        (two_right, "x.yaml: questions[0].options: expected exactly one with `right: true`"),
        (
            lambda d: d["criteria"][0].update(judge="luck"),
            "x.yaml: criteria[0].judge: expected one of answered,",
        ),
        (
            lambda d: d["criteria"][0].update({"with": {}}),
            "x.yaml: criteria[0].with: answered takes question",
        ),
        (
            lambda d: d["criteria"][0]["with"].update(question="when"),
            "x.yaml: criteria[0].with.question: there is no question 'when'",
        ),
        (
            lambda d: d["solution"]["answers"].update(uid="42"),
            "x.yaml: solution.answers: question 'uid' has no option '42'",
        ),
        (lambda d: d["wrong"][0].update(score=10), "x.yaml: wrong[0].score: a wrong solution gets less than"),
        (lambda d: d["criteria"].append(d["criteria"][0]), "x.yaml: criteria: used twice: predicted"),
    ],
)
def test_a_mistake_in_a_file_is_reported_where_it_stands(change: Change, message: str) -> None:
    document = yaml.safe_load((DIRECTORY / "delete-mirror-pod.yaml").read_text()) | {"id": "x"}
    change(document)

    with pytest.raises(ExerciseError) as raised:
        parse(yaml.safe_dump(document), source="x.yaml")

    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_yaml_is_reported_in_one_line() -> None:
    with pytest.raises(ExerciseError, match=r"^x\.yaml: not YAML: [^\n]+$"):
        parse("a: [", source="x.yaml")


def test_a_file_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ExerciseError, match=r"^x\.yaml: the file: expected a mapping, found \['a'\]$"):
        parse("- a", source="x.yaml")
