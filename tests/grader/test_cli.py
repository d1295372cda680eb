"""The `grader` command: the same judging as nbgrader's, many at once, and what an instructor reads."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from grader.record import Record
from tests.grader.courses import PERFECT, ROOT, Course, answered, source

SCORES = {"first": 5.0, "second": 5.0}


@pytest.fixture(scope="module")
def batch(shared_course: Callable[[], Course]) -> Course:
    course = shared_course()
    course.submit("ann", PERFECT)
    course.submit("bob", source())
    course.submit("cid", answered('do("first", "done")'))
    done = course.grader("autograde", "--workers", "2")
    assert done.returncode == 0, done.stderr
    return course


@pytest.mark.long
def test_scores_are_the_same_as_by_plain_nbgrader(batch: Course) -> None:
    assert batch.scores() == {
        "ann": SCORES,
        "bob": {"first": 0.0, "second": 0.0},
        "cid": {"first": 3.0, "second": 0.0},
    }


def test_the_report_is_one_json_document(batch: Course) -> None:
    document = json.loads(batch.grader("report", "lab", "--json").stdout)

    assert (document["assignment"], document["max"]) == ("lab", 10.0)
    ann, bob, cid = document["submissions"]
    assert (ann["student"], ann["score"], ann["needs_attention"]) == ("ann", 10.0, None)
    assert (bob["score"], cid["score"]) == (0.0, 3.0)
    assert [verdict["exercise"] for verdict in ann["exercises"]] == ["first", "second"]
    criterion = cid["exercises"][0]["criteria"][0]
    assert criterion.keys() == {
        "id", "passed", "points", "max", "rationale", "expected", "seen", "hint",
    }  # fmt: skip


def test_the_table_names_each_student_and_score(batch: Course) -> None:
    shown = batch.grader("report").stdout

    for words in ("lab, 10 points", "ann", "bob", "cid", "first", "second"):
        assert words in shown


def test_the_export_is_csv(batch: Course) -> None:
    lines = batch.grader("export").stdout.splitlines()

    assert lines == [
        "student,score,max,first,second,needs_attention",
        "ann,10.0,10.0,5.0,5.0,",
        "bob,0.0,10.0,0.0,0.0,",
        "cid,3.0,10.0,3.0,0.0,",
    ]


def test_feedback_pages_are_written_for_all(batch: Course) -> None:
    done = batch.grader("feedback")

    assert done.returncode == 0, done.stderr
    assert "think of predicted" in (batch.root / "feedback" / "cid" / "lab" / "nb.html").read_text()


def test_a_second_call_judges_nothing_and_changes_nothing(batch: Course) -> None:
    before = (len(Record(batch.root).runs()), batch.scores())
    done = batch.grader("autograde")

    assert done.returncode == 0, done.stderr
    assert (len(Record(batch.root).runs()), batch.scores()) == before


def test_trouble_is_said_in_a_line_and_the_rest_is_graded(course: Course) -> None:
    course.submit("ann", PERFECT)
    course.submit("bob", PERFECT)
    course.ask_for_trouble("boot", 2)
    done = course.grader("autograde", "--workers", "1")
    document = json.loads(course.grader("report", "--json").stdout)

    assert done.returncode == 1
    assert "ann needs attention: LabsError: the lab did not boot" in done.stderr
    assert "1 of 2 submissions need attention" in done.stderr
    assert "Traceback" not in done.stderr
    assert course.scores() == {"ann": {"first": None, "second": None}, "bob": SCORES}
    assert [(one["score"], one["needs_attention"]) for one in document["submissions"]] == [
        (None, "LabsError: the lab did not boot"),
        (10.0, None),
    ]


def test_a_submission_that_cannot_be_read_does_not_stop_the_batch(course: Course) -> None:
    (course.submit("ann", PERFECT) / "nb.ipynb").write_text("{")
    course.submit("bob", PERFECT)
    done = course.grader("autograde")

    assert done.returncode == 1
    assert "ann needs attention" in done.stderr
    assert course.scores()["bob"] == SCORES


@pytest.mark.long
def test_an_interrupted_batch_goes_on_where_it_stopped(course: Course) -> None:
    course.submit("ann", PERFECT)
    course.submit("bob", answered("import time; time.sleep(60)", "1"))
    record = Record(course.root)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "grader", "autograde", "--workers", "2"]
    with subprocess.Popen(
        command, cwd=course.root, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        deadline = time.monotonic() + 200
        while not any(run.finished for run in record.runs()) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        said = running.communicate(timeout=60)[1]
    course.submit("bob", PERFECT)
    again = course.grader("autograde")

    assert running.returncode == 130
    assert "the same command goes on from there" in said
    assert again.returncode == 0, again.stderr
    assert course.scores() == {"ann": SCORES, "bob": SCORES}
    assert sum(run.who.student == "ann" for run in record.runs()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["autograde", "nowhere"], "nothing was submitted for nowhere"),
        (["report", "nowhere"], "the gradebook does not know nowhere"),
        (["report", "--course", "/"], "has no nbgrader_config.py"),
        (["autograde", "--scheduler", "tcp://x:1"], "--scheduler is not there yet"),
        (["autograde", "--workers", "0"], "--workers"),
        (["nonsense"], "No such command"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(course: Course, arguments: list[str], says: str) -> None:
    done = course.grader(*arguments)

    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
