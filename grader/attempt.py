"""Judging one notebook: play it in a sandbox against a lab of its own, ask the judge after each graded cell.

An attempt that fails for reasons that are not the student's (the lab did not boot, the judge crashed, a
recorder fell silent) is made once more on a new lab. After that a person has to look.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grader import feedback, outputs
from grader.errors import NeedsAttention, Trouble
from grader.kernel import End, Kernel, Ran
from grader.lab import Lab
from grader.limits import Limits
from grader.record import Record, Run, Verdict
from grader.sandbox import box
from grader.submission import GradedCell, Submission, grade_id

ATTEMPTS = 2

#: Makes the lab for a run of that id.
Labs = Callable[[str], AbstractContextManager[Lab]]

_NOT_RUN = "not executed: the kernel was gone by then"


def judge(submission: Submission, record: Record, labs: Labs, limits: Limits, course: Path) -> Run:
    """Come to a verdict on every graded cell of the submission.

    Raises:
        NeedsAttention: no attempt did; the record says why.
    """
    reason = ""
    for attempt in range(1, ATTEMPTS + 1):
        run = uuid.uuid4().hex
        record.begin(run, submission.key, submission.who, attempt)
        try:
            executed = _play(run, submission, record, labs, limits, course)
        except Exception as error:  # whatever broke, it was not the student: never a zero, never a pass
            reason = _reason(error)
            record.append("trouble", run=run, reason=reason)
            continue
        record.finish(run, nbformat.writes(executed))
        return record.run(run)
    raise NeedsAttention(reason)


def _play(
    run: str, submission: Submission, record: Record, labs: Labs, limits: Limits, course: Path
) -> NotebookNode:
    notebook = copy.deepcopy(submission.notebook)
    waiting = {cell.id: cell for cell in submission.graded}
    with labs(run) as lab:
        for exercise in submission.unstarted:
            lab.start(exercise)
        with (
            box(submission.files, lab.socket, lab.name, limits, hidden=(course,)) as sandbox,
            Kernel(sandbox, limits) as kernel,
        ):
            lost = False
            for cell in notebook.cells:
                if cell.cell_type != "code":
                    continue
                ran = None if lost else kernel.execute(cell.source)
                lost = lost or (ran is not None and ran.kernel_lost)
                graded = waiting.pop(grade_id(cell) or "", None)
                if graded is None:
                    cell.outputs = _shown(ran)
                else:
                    cell.outputs = [*_notes(ran), _ask(run, graded, lab, record)]
        for graded in waiting.values():  # a cell that is nowhere in the notebook: the lab still shows what was done
            notebook.cells.append(_restored(graded, _ask(run, graded, lab, record)))
    return notebook


def _ask(run: str, cell: GradedCell, lab: Lab, record: Record) -> NotebookNode:
    """The judge's verdict on a cell: recorded first, then put in words."""
    verdict = lab.check(cell.exercise)
    _plausible(verdict, cell)
    record.verdict(run, cell.id, verdict)
    return feedback.output(verdict)


def _plausible(verdict: Verdict, cell: GradedCell) -> None:
    unjudged = [criterion for criterion in verdict["criteria"] if criterion["passed"] is None]
    if unjudged:
        names = ", ".join(criterion["id"] for criterion in unjudged)
        raise Trouble(f"{cell.exercise}: could not be judged: {names}: {unjudged[0]['rationale']}")
    if verdict["exercise"] != cell.exercise or verdict["max"] != cell.points:
        raise Trouble(
            f"cell {cell.id} is worth {cell.points:g} points, its exercise {cell.exercise} {verdict['max']:g}: "
            "make them agree in the source notebook and generate the assignment again"
        )
    if not 0 <= verdict["points"] <= verdict["max"]:
        raise Trouble(f"{cell.exercise}: {verdict['points']:g} of {verdict['max']:g} points is no score")


def _shown(ran: Ran | None) -> list[NotebookNode]:
    return [*(ran.outputs if ran else ()), *_notes(ran)]


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
    return text if isinstance(error, Trouble) else f"{type(error).__name__}: {text}"
