"""The bundled class: who is in it, and that each scores what the exercises say. Real clusters."""

import json
from pathlib import Path

import nbformat
import pytest

from grader import sample
from grader.submission import grade_id, graded_cells
from labs import judge
from labs.nodes.doctor import needs
from tests.grader.courses import GRADER, NBGRADER, ROOT, call

SOURCE = ROOT / "course" / "source" / "lab-03-the-mirror" / "the-mirror.ipynb"


@pytest.fixture(scope="module")
def members() -> dict[str, sample.Student]:
    solved = nbformat.read(SOURCE, as_version=4)
    exercises = [judge.load(cell.exercise) for cell in graded_cells(SOURCE)]
    return {student.name: student for student in sample.students(solved, solved, exercises)}


def test_each_graded_cell_is_worth_what_its_exercise_is() -> None:
    for cell in graded_cells(SOURCE):
        assert cell.points == judge.load(cell.exercise).points


def test_each_exercise_has_a_start_cell_that_nbgrader_restores() -> None:
    cells = {grade_id(cell): cell for cell in nbformat.read(SOURCE, as_version=4).cells}
    for graded in graded_cells(SOURCE):
        start = cells[f"{graded.exercise}--start"]

        assert start.metadata["nbgrader"]["locked"]
        assert start.source == f'start("{graded.exercise}")'


def test_the_class_has_the_perfect_the_empty_the_cheat_and_every_wrong_way(
    members: dict[str, sample.Student],
) -> None:
    wrong = {attempt.id for graded in graded_cells(SOURCE) for attempt in judge.load(graded.exercise).wrong}

    assert members.keys() == {"perfect", "empty", "cheat"} | wrong
    assert {"deleted-the-manifest", "restarted-the-kubelet", "edited-the-manifest"} <= wrong


def test_the_expected_scores_are_the_exercises_own(members: dict[str, sample.Student]) -> None:
    full = sum(judge.load(cell.exercise).points for cell in graded_cells(SOURCE))

    assert members["perfect"].score == full
    assert members["empty"].score == 0
    assert members["restarted-the-kubelet"].score == 2 + 10
    assert members["cheat"].score == judge.load(graded_cells(SOURCE)[0].exercise).points


def test_scores_that_differ_are_status_1(tmp_path: Path) -> None:
    assert sample.run(1, tmp_path / "class", lambda *_, **__: 0) == 1


@pytest.mark.skipif(any(need.required and not need.ok for need in needs()), reason="no embedded node here")
@pytest.mark.timeout(1200)
@pytest.mark.long
def test_every_member_scores_what_is_expected_and_the_same_again(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    done = call(tmp_path, *GRADER, "sample", "--workers", "2", "--keep", str(folder), timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr

    course = folder / "lab-03-the-mirror"
    before = json.loads(call(course, *GRADER, "report", "--json").stdout)
    again = call(
        course, str(NBGRADER), "autograde", course.name, "--force", "--student", "edited-the-manifest"
    )
    after = json.loads(call(course, *GRADER, "report", "--json").stdout)
    scores = [
        [(one["student"], one["score"]) for one in document["submissions"]] for document in (before, after)
    ]

    assert again.returncode == 0, again.stderr
    assert scores[0] == scores[1]
