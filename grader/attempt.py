"""Judging one notebook: play it in a sandbox against a lab of its own, ask the judge after each graded cell.

An attempt that fails for reasons that are not the student's (the lab did not boot, the judge crashed, a
recorder fell silent) is made once more on a new lab. After that a person has to look.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grader import feedback, outputs
from grader.errors import NeedsAttentionError, TroubleError
from grader.kernel import End, Kernel, Ran
from grader.lab import Lab
from grader.limits import Limits
from grader.record import Record, Run, Verdict
from grader.sandbox import box
from grader.submission import START, GradedCell, Submission, grade_id

ATTEMPTS = 2

#: Makes the lab for a run of that id.
Labs = Callable[[str], AbstractContextManager[Lab]]

_NOT_RUN = "not executed: the kernel was gone by then"


@dataclass(frozen=True)
class Judging:
    """How a course judges: where verdicts are kept, what labs are made of, what a submission may use up."""

    record: Record
    labs: Labs
    limits: Limits
    course: Path

    def judge(self, submission: Submission) -> Run:
        """Come to a verdict on every graded cell of the submission.

        Raises:
            NeedsAttentionError: no attempt did; the record says why.
        """
        reason = ""
        for attempt in range(1, ATTEMPTS + 1):
            run = uuid.uuid4().hex
            self.record.begin(run, submission.key, submission.who, attempt)
            try:
                executed = self._play(run, submission)
            except Exception as error:  # whatever broke, it was not the student: never a zero, never a pass
                reason = _reason(error)
                self.record.append("trouble", run=run, reason=reason)
                continue
            self.record.finish(run, nbformat.writes(executed))
            return self.record.run(run)
        raise NeedsAttentionError(reason)

    def _play(self, run: str, submission: Submission) -> NotebookNode:
        notebook = copy.deepcopy(submission.notebook)
        waiting = {cell.id: cell for cell in submission.graded}
        with self.labs(run) as lab:
            for exercise in submission.unstarted:
                lab.start(exercise)
            with (
                box(submission.files, lab.socket, lab.name, self.limits, hidden=(self.course,)) as sandbox,
                Kernel(sandbox, self.limits) as kernel,
            ):
                lost = False
                for cell in notebook.cells:
                    if cell.cell_type != "code":
                        continue
                    ran = None if lost else kernel.execute(cell.source)
                    lost = lost or (ran is not None and ran.kernel_lost)
                    if not lost:
                        _see_started(cell, submission, lab)
                    graded = waiting.pop(grade_id(cell) or "", None)
                    if graded is None:
                        cell.outputs = [*(ran.outputs if ran else ()), *_notes(ran)]
                    else:
                        cell.outputs = [*_notes(ran), self._ask(run, graded, lab)]
            for graded in waiting.values():  # nowhere in the notebook: the lab still shows what was done
                notebook.cells.append(_restored(graded, self._ask(run, graded, lab)))
        return notebook

    def _ask(self, run: str, cell: GradedCell, lab: Lab) -> NotebookNode:
        """The judge's verdict on a cell: recorded first, then put in words."""
        verdict = lab.check(cell.exercise)
        _plausible(verdict, cell)
        self.record.verdict(run, cell.id, verdict)
        return feedback.output(verdict)


def _see_started(cell: NotebookNode, submission: Submission, lab: Lab) -> None:
    """Make good a start cell whose exercise did not start: if the lab cannot, it is the lab that failed."""
    for graded in submission.graded:
        if grade_id(cell) == f"{graded.exercise}{START}" and not lab.started(graded.exercise):
            lab.start(graded.exercise)


def _plausible(verdict: Verdict, cell: GradedCell) -> None:
    unjudged = [criterion for criterion in verdict["criteria"] if criterion["passed"] is None]
    if unjudged:
        names = ", ".join(criterion["id"] for criterion in unjudged)
        raise TroubleError(f"{cell.exercise}: could not be judged: {names}: {unjudged[0]['rationale']}")
    if verdict["exercise"] != cell.exercise or verdict["max"] != cell.points:
        raise TroubleError(
            f"cell {cell.id} is worth {cell.points:g} points, exercise {cell.exercise} {verdict['max']:g}: "
            "make them agree in the source notebook and generate the assignment again"
        )
    if not 0 <= verdict["points"] <= verdict["max"]:
        raise TroubleError(f"{cell.exercise}: {verdict['points']:g} of {verdict['max']:g} points is no score")


def _notes(ran: Ran | None) -> list[NotebookNode]:
    if ran is None:
        return [outputs.note(_NOT_RUN)]
    if ran.end in (End.TIMEOUT, End.KILLED, End.DIED):
        return [outputs.note(f"{ran.end.value}: {ran.why}")]
    return []


def _restored(graded: GradedCell, output: NotebookNode) -> NotebookNode:
    cell = nbformat.v4.new_code_cell(graded.source, outputs=[output])
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade": True,
        "solution": False,
        "locked": True,
        "task": False,
        "grade_id": graded.id,
        "points": graded.points,
    }
    return cell


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, TroubleError) else f"{type(error).__name__}: {text}"
