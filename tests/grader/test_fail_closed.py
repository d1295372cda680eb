"""Whatever breaks on the grader's side, nobody gets a score by it: not full marks, and not a zero either."""

import pytest

from grader.record import Record
from tests.grader.courses import PERFECT, Course, answered, source

NOTHING = {"first": None, "second": None}


def grade_of(course: Course, student: str = "student") -> object:
    return course.scores().get(student)


#: Where the stand-in lab gives up. The grader takes all alike, so one stands for them in short runs.
FAILURES = [*(pytest.param(fail, marks=pytest.mark.long) for fail in ("boot", "start", "null")), "judge"]


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("raise ImportError('no such plug-in')", "ImportError: no such plug-in"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("x = (", "SyntaxError"),
    ],
)
def test_a_plug_in_that_cannot_be_imported_ends_autograde(course: Course, module: str, says: str) -> None:
    course.submit("student", source())
    (course.root / "grader.py").write_text(module)  # found before the real one: nbgrader puts `.` first
    done = course.autograde()

    assert done.returncode == 1
    assert says in done.stderr
    assert "Nothing was graded" in done.stderr
    assert grade_of(course) is None
    assert not (course.root / "autograded").exists()


def test_a_plug_in_that_cannot_be_configured_ends_autograde(course: Course) -> None:
    course.submit("student", source())
    (course.root / "grader").mkdir()
    (course.root / "grader" / "__init__.py").touch()
    (course.root / "grader" / "plugin.py").write_text(
        "def configure(config):\n    raise RuntimeError('broken')\n"
    )
    done = course.autograde()

    assert done.returncode == 1
    assert "RuntimeError: broken" in done.stderr
    assert grade_of(course) is None


@pytest.mark.parametrize(
    "settings",
    [
        'c.JudgeInLab.labs = "tests.grader.nowhere.lab"',
        "import grader.plugin\ngrader.plugin.graded_cells = lambda source: 1 / 0",
        "import grader.plugin\ngrader.plugin.Record.run = lambda self, run: 1 / 0",
    ],
)
def test_a_plug_in_that_crashes_at_work_writes_no_score(course: Course, settings: str) -> None:
    course.submit("student", PERFECT)
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write(f"\n{settings}\n")
    done = course.autograde()

    assert done.returncode == 1
    assert "student needs attention" in done.stderr
    assert grade_of(course) == NOTHING
    assert not (course.root / "autograded" / "student" / "lab").exists()


def test_leaving_the_execution_out_leaves_the_score_out(course: Course) -> None:
    course.submit("student", PERFECT)
    settings = "\nc.JudgeInLab.enabled = False\n"
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write(settings)
    done = course.autograde()

    assert done.returncode == 1
    assert grade_of(course) == NOTHING


def test_no_execute_changes_nothing(course: Course) -> None:
    course.submit("student", source())

    assert course.autograde("--no-execute").returncode == 0
    assert grade_of(course) == {"first": 0, "second": 0}


@pytest.mark.parametrize("fail", FAILURES)
def test_trouble_is_tried_again(course: Course, fail: str) -> None:
    course.submit("student", PERFECT)
    course.ask_for_trouble(fail, 1)
    done = course.autograde()

    assert done.returncode == 0, done.stderr
    assert grade_of(course) == {"first": 5, "second": 5}
    assert [bool(run.trouble) for run in Record(course.root).runs()] == [True, False]


@pytest.mark.parametrize("fail", FAILURES)
def test_lasting_trouble_needs_attention_and_the_batch_goes_on(course: Course, fail: str) -> None:
    course.submit("a-student", PERFECT)
    course.submit("b-student", PERFECT)
    course.ask_for_trouble(fail, 2)
    done = course.autograde()

    assert done.returncode == 1
    assert "a-student needs attention" in done.stderr
    assert "No score is written" in done.stderr
    assert grade_of(course, "a-student") == NOTHING
    assert grade_of(course, "b-student") == {"first": 5, "second": 5}


def test_trouble_takes_back_what_an_earlier_submission_scored(course: Course) -> None:
    from nbgrader.api import Gradebook

    course.submit("student", PERFECT)
    course.autograde()
    course.submit("student", answered("1"))
    course.ask_for_trouble("boot", 2)
    course.autograde("--force")

    assert grade_of(course) == NOTHING
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        assert gradebook.find_submission("lab", "student").needs_manual_grade


def test_after_the_trouble_the_same_command_goes_on(course: Course) -> None:
    course.submit("student", PERFECT)
    course.ask_for_trouble("boot", 2)
    first = course.autograde()
    second = course.autograde()

    assert (first.returncode, second.returncode) == (1, 0)
    assert grade_of(course) == {"first": 5, "second": 5}


def test_an_exercise_worth_other_points_than_its_cell_is_no_score(course: Course) -> None:
    course.submit("student", PERFECT)
    path = course.root / "source" / "lab" / "nb.ipynb"
    path.write_text(path.read_text().replace('"points": 5.0', '"points": 50.0'))
    done = course.autograde()

    assert done.returncode == 1
    assert "worth 50 points" in done.stderr
    assert grade_of(course) == NOTHING


def test_a_missing_source_notebook_is_no_score(course: Course) -> None:
    course.submit("student", PERFECT)
    (course.root / "source" / "lab" / "nb.ipynb").unlink()
    done = course.autograde()

    assert done.returncode == 1
    assert grade_of(course) == NOTHING


def test_a_submission_that_is_no_notebook_is_no_score(course: Course) -> None:
    (course.submit("student", source()) / "nb.ipynb").write_text("{")
    done = course.autograde()

    assert done.returncode == 1
    assert grade_of(course) == NOTHING
