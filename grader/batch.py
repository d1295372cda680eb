"""Many submissions at once: judged by worker processes, written into the gradebook one after the other.

A worker needs nothing but the submission and gives nothing but lines of the record, so an interrupted batch
loses only what was under way: the next call finds every finished run in the record and goes on.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from traitlets.config import Config

from grader import worker
from grader.course import Course
from grader.record import Identity
from grader.worker import Job
from labs.errors import LabsError


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
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(jobs)), mp_context=context, initializer=worker.prepare
    )
    try:
        futures: dict[Future[str], Job] = {pool.submit(worker.work, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future].who, _result(future)
    except BrokenProcessPool:
        raise LabsError("a worker was killed; what was judged is kept: run the same command again") from None
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[str]) -> str:
    """What the worker says; a Ctrl-C goes to all, and the worker's end may be heard of first."""
    try:
        return future.result()
    except SystemExit:
        raise KeyboardInterrupt from None


def _reason(course: Course, student: str) -> str:
    for who, latest in course.record.latest(course.assignment).items():
        if who.student == student and isinstance(latest, str):
            return latest
    return f"nbgrader could not convert it: see {course.log_file}"
