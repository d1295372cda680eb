"""Plain `nbgrader autograde` in a course: scores come from what the lab showed, and from nothing else."""

import copy
from collections.abc import Callable

import nbformat
import pytest

from grader.record import Record
from tests.grader.courses import PERFECT, Course, answered, graded, notebook, plain, source

DONE = 'do("first", "done")'


def without(book: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    book = copy.deepcopy(book)
    book.cells = [cell for cell in book.cells if cell.metadata.get("nbgrader", {}).get("grade_id") != name]
    return book


def moved_to_front(book: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    book = copy.deepcopy(book)
    first = [cell for cell in book.cells if cell.metadata["nbgrader"]["grade_id"] == name]
    book.cells = first + [cell for cell in book.cells if cell not in first]
    return book


def with_metadata(book: nbformat.NotebookNode, name: str, **changes: object) -> nbformat.NotebookNode:
    book = copy.deepcopy(book)
    for cell in book.cells:
        if cell.metadata["nbgrader"]["grade_id"] == name:
            cell.metadata["nbgrader"] |= changes
    return book


CLASS: dict[str, tuple[nbformat.NotebookNode, dict[str, float]]] = {
    "perfect": (PERFECT, {"first": 5, "second": 5}),
    "empty": (source(), {"first": 0, "second": 0}),
    "partial": (answered(DONE), {"first": 3, "second": 0}),
    "raises": (answered(f"{DONE}; 1/0", "raise SystemExit"), {"first": 3, "second": 0}),
    "late": (answered("", f'{DONE}; do("second", "done")'), {"first": 0, "second": 5}),
    "removed": (without(PERFECT, "second"), {"first": 5, "second": 5}),
    "removed-all": (notebook(plain("1")), {"first": 0, "second": 0}),
    "no-start": (without(PERFECT, "first--start"), {"first": 5, "second": 5}),
    "duplicated": (answered(DONE, "", graded("first", 5.0)), {"first": 3, "second": 0}),
    "reordered": (moved_to_front(PERFECT, "second"), {"first": 5, "second": 0}),
    "renamed": (with_metadata(PERFECT, "first", grade_id="second"), {"first": 5, "second": 5}),
    "more-points": (with_metadata(source(), "first", points=500), {"first": 0, "second": 0}),
    "not-graded": (with_metadata(source(), "first", grade=False, solution=True), {"first": 0, "second": 0}),
    "both": (with_metadata(PERFECT, "first", solution=True), {"first": 5, "second": 5}),
    "no-metadata": (with_metadata(source(), "first", grade="yes", points="all"), {"first": 0, "second": 0}),
}


@pytest.fixture(scope="module")
def batch(shared_course: Callable[[], Course]) -> Course:
    course = shared_course()
    for student, (book, _) in CLASS.items():
        course.submit(student, book)
    done = course.autograde()
    assert done.returncode == 0, done.stderr
    return course


@pytest.mark.parametrize("student", CLASS)
def test_the_score_is_what_the_lab_showed(batch: Course, student: str) -> None:
    assert batch.scores()[student] == CLASS[student][1]


def test_the_graded_cell_carries_a_line_for_each_criterion(batch: Course) -> None:
    book = batch.autograded("partial")
    (cell,) = (cell for cell in book.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "first")
    (output,) = cell.outputs

    assert output.data["text/plain"].splitlines()[0] == "first: 3 of 5 points"
    assert "failed     0/2  predicted: about <predicted>" in output.data["text/plain"]
    assert "hint: think of predicted" in output.data["text/plain"]
    assert "passed     3/3  done" in output.data["text/plain"]


def test_the_feedback_page_lists_each_criterion(batch: Course) -> None:
    done = batch.nbgrader("generate_feedback", "lab", "--student", "partial")
    page = (batch.root / "feedback" / "partial" / "lab" / "nb.html").read_text()

    assert done.returncode == 0
    for words in (
        "first: 3 of 5 points",
        "predicted",
        "0/2",
        "3/3",
        "think of predicted",
        "passed",
        "failed",
    ):
        assert words in page
    assert "about <predicted>" not in page  # what comes from the lab is escaped


def test_outputs_of_other_cells_are_kept(batch: Course) -> None:
    outputs = [output for cell in batch.autograded("raises").cells for output in cell.get("outputs", ())]

    assert "ZeroDivisionError" in [output.get("ename") for output in outputs]


def test_every_score_can_be_traced_to_a_recorded_verdict(batch: Course) -> None:
    latest = Record(batch.root).latest("lab")
    recorded = {
        who.student: {cell: verdict["points"] for cell, verdict in run.verdicts.items()}
        for who, run in latest.items()
        if not isinstance(run, str)
    }

    assert recorded == batch.scores()


def test_the_same_submission_twice_in_a_row_scores_the_same(batch: Course) -> None:
    before = batch.scores()
    again = batch.autograde()
    forced = batch.autograde("--force", "--student", "p*")

    assert (again.returncode, forced.returncode) == (0, 0), forced.stderr
    assert batch.scores() == before


@pytest.mark.long
def test_force_judges_again(course: Course) -> None:
    course.submit("student", source())
    course.autograde()
    course.autograde("--force")

    assert len(Record(course.root).runs()) == 2


@pytest.mark.long
def test_a_recorded_run_is_not_repeated(course: Course) -> None:
    folder = course.submit("student", PERFECT)
    course.autograde()
    (folder / "timestamp.txt").write_text("2030-01-01 00:00:00 UTC")  # newer: nbgrader converts it again
    (course.root / "autograded" / "student" / "lab" / "timestamp.txt").write_text("2029-01-01 00:00:00 UTC")
    again = course.autograde()

    assert "Updating existing assignment" in again.stderr
    assert course.scores() == {"student": {"first": 5, "second": 5}}


@pytest.mark.long
def test_a_changed_submission_is_judged_anew(course: Course) -> None:
    course.submit("student", source())
    course.autograde()
    course.submit("student", PERFECT)
    course.autograde("--force")

    assert course.scores() == {"student": {"first": 5, "second": 5}}


def test_files_beside_the_notebook_are_there_and_the_instructors_win(course: Course) -> None:
    (course.root / "source" / "lab" / "deed.txt").write_text("done")
    code = "do('first', open('deed.txt').read()); do('second', open('own.txt').read())"
    course.submit("student", answered(code), {"deed.txt": "predicted", "own.txt": "done"})
    course.autograde()

    assert course.scores() == {"student": {"first": 3, "second": 5}}


@pytest.mark.parametrize("name", ["nb.ipynb", "data.txt"])
def test_a_submission_that_links_to_a_file_outside_needs_attention(course: Course, name: str) -> None:
    folder = course.submit("student", source())
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(course.root / "source" / "lab" / "nb.ipynb")
    done = course.autograde()

    assert done.returncode == 1
    assert "symbolic link" in done.stderr
    assert course.scores() == {"student": {"first": None, "second": None}}


@pytest.mark.long
def test_a_grade_given_by_hand_is_kept_and_asked_about(course: Course) -> None:
    from nbgrader.api import Gradebook

    course.submit("student", source())
    course.autograde()
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("first", "nb", "lab", "student").manual_score = 4
        gradebook.db.commit()
    course.autograde("--force")
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade("first", "nb", "lab", "student")

        assert (grade.score, grade.auto_score, grade.needs_manual_grade) == (4, 0, True)
