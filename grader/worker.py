"""A process that judges, one submission at a time. Imports little: it starts again for every batch.

It ends early when a terminal's Ctrl-C, the batch or the end of the batch says so: the lab under way is taken
down, and no other submission begun.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import nbformat
from traitlets.utils.importstring import import_item

from grader.attempt import Judging
from grader.errors import NeedsAttentionError
from grader.limits import Limits
from grader.record import Identity, Record
from grader.submission import GradedCell, Submission

_stopped = threading.Event()


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


def prepare() -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def work(job: Job) -> str:
    """Judge, and return why a person has to look, or nothing."""
    if _stopped.is_set():
        raise SystemExit(1)
    submission = Submission(job.who, nbformat.reads(job.notebook, as_version=4), job.files, job.graded)
    try:
        Judging(Record(job.course), import_item(job.labs), job.limits, job.course).judge(submission)
    except NeedsAttentionError as error:
        return str(error)
    return ""


def _stop(number: int, _: object) -> None:
    if not _stopped.is_set():  # a second signal must not keep the lab from being taken down
        _stopped.set()
        raise SystemExit(128 + number)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
