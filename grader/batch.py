"""Many submissions at once: judged by worker processes, written into the gradebook one after the other.

A worker needs nothing but the submission and gives nothing but lines of the record, so an interrupted batch
loses only what was under way: the next call finds every finished run in the record and goes on.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from traitlets.config import Config
from traitlets.utils.importstring import import_item

from grader.attempt import Judging
from grader.course import Course
from grader.errors import NeedsAttentionError
from grader.limits import Limits
from grader.record import Identity, Record
from grader.submission import GradedCell, Submission
from labs.errors import LabsError


@dataclass(frozen=True)
class Job:
    """A submission with all that a worker must know, in plain values."""

    who: Identity
    notebook: str
    files: dict[str, bytes]
    graded: tuple[GradedCell, ...]
    course: Path
    labs: str
    limits: Limits

    @classmethod
    def of(cls, submission: Submission, course: Path, labs: str, limits: Limits) -> Job:
        """For this submission."""
        text = nbformat.writes(submission.notebook)
        return cls(submission.who, text, dict(submission.files), submission.graded, course, labs, limits)


@dataclass
class Outcome:
    """How a batch went: for each student graded nothing, or why a person has to look."""

    attention: dict[str, str] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)


#: Told a student's name and what is the matter with the submission, "" for nothing.
Progress = Callable[[str, str], None]


def autograde(
    course: Course, students: list[str], workers: int, *, force: bool, progress: Progress
) -> Outcome:
    """Judge what is not judged yet (all, with `force`) and fill the gradebook from the record."""
    outcome = Outcome()
    jobs = list(_jobs(course, students, outcome, force=force))
    waiting = {student: sum(job.who.student == student for job in jobs) for student in students}
    recorded = Config({"JudgeInLab": {"runs": "recorded"}})

    def write(student: str) -> None:
        if student not in outcome.attention:
            again = student in outcome.judged
            if not course.autograde(student, recorded, force=again):
                outcome.attention[student] = _reason(course, student)
        progress(student, outcome.attention.get(student, ""))

    for student in students:
        if not waiting[student]:
            write(student)
    for who, reason in _judge_all(jobs, workers):
        waiting[who.student] -= 1
        outcome.judged.add(who.student)
        if reason:
            course.record.give_up(who, reason)
        if not waiting[who.student]:
            write(who.student)
    return outcome


def _jobs(course: Course, students: list[str], outcome: Outcome, *, force: bool) -> Iterator[Job]:
    judging = course.judging()
    for student in students:
        try:
            for submission in course.submissions(student):
                if force or course.record.find(submission.key) is None:
                    yield Job.of(submission, course.root, judging.labs, judging.limits)
        except Exception as error:  # one submission that cannot be read must not stop the batch
            outcome.attention[student] = (
                str(error) if isinstance(error, LabsError) else f"unreadable: {error}"
            )


def _judge_all(jobs: list[Job], workers: int) -> Iterator[tuple[Identity, str]]:
    """Each submission as it is done, with the reason when a person has to look."""
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(max_workers=min(workers, len(jobs)), mp_context=context, initializer=_prepare)
    try:
        futures: dict[Future[str], Job] = {pool.submit(_work, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future].who, future.result()
    except BrokenProcessPool:
        raise LabsError("a worker was killed; what was judged is kept: run the same command again") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    # a terminal's Ctrl-C reaches every process of the group: a worker takes its lab down and no other job
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _work(job: Job) -> str:
    submission = Submission(job.who, nbformat.reads(job.notebook, as_version=4), job.files, job.graded)
    try:
        Judging(Record(job.course), import_item(job.labs), job.limits, job.course).judge(submission)
    except NeedsAttentionError as error:
        return str(error)
    return ""


def _reason(course: Course, student: str) -> str:
    for who, latest in course.record.latest(course.assignment).items():
        if who.student == student and isinstance(latest, str):
            return latest
    return f"nbgrader could not convert it: see {course.log_file}"
