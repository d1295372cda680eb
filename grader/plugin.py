"""The plug-in for nbgrader's `autograde`: judged in the lab, scored from the record.

nbgrader 0.9.6 by itself believes the notebook: it executes a submission in a kernel that the submission
controls and then scores what that kernel printed, where nothing printed is full marks. Here its two
believing steps are replaced. `RestoreCells` first puts back what nbgrader knows of each of its cells,
`JudgeInLab` stands where `Execute` was, `SaveVerdicts` where `SaveAutoGrades` was. Each refuses to be left
out (`--no-execute`), and a submission without a verdict on every graded cell gets no score at all.

nbgrader imports this by way of `course/nbgrader_config.py`, also when it only makes a release: heavier
imports wait until a submission is judged.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearOutput,
    IgnorePattern,
    LimitOutput,
    NbGraderPreprocessor,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)
from sqlalchemy.exc import SAWarning
from traitlets import Enum, Instance, Unicode
from traitlets.config import Config
from traitlets.utils.importstring import import_item

from grader.errors import NeedsAttentionError, TroubleError
from grader.limits import Limits
from grader.record import Identity, Record, Run
from grader.submission import Submission, check_no_link, files_of, grade_id, graded_cells
from labs.errors import LabsError

if TYPE_CHECKING:
    from nbgrader.converters import Autograde

Resources = dict[str, Any]
Preprocessed = tuple[NotebookNode, Resources]

#: Where a run's id travels from the step that judges to the step that scores.
RUN = "cks_labs_run"


def configure(config: Config) -> None:
    """Make `nbgrader autograde` judge in the lab."""
    warnings.filterwarnings("ignore", category=SAWarning, module="nbgrader")  # 0.9.6 and a newer SQLAlchemy
    # nbgrader calls `alembic` by name to make its database, also when its own environment is not activated
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    config.Autograde.sanitize_preprocessors = [
        RestoreCells,
        ClearOutput,
        OverwriteKernelspec,
        OverwriteCells,
        CheckCellMetadata,
    ]
    config.Autograde.autograde_preprocessors = [
        JudgeInLab,
        IgnorePattern,
        ClearMetadataPreprocessor,
        LimitOutput,
        CheckCellMetadata,
        SaveVerdicts,
        AssignLatePenalties,
    ]


class _Indispensable(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader has no types
    """A step without which there is no score. When it fails, a person has to look at the submission."""

    def __call__(self, notebook: NotebookNode, resources: Resources) -> Preprocessed:
        try:
            if not self.enabled:
                raise NeedsAttentionError(
                    f"{type(self).__name__} is disabled, without it there is nothing to score"
                )
            preprocessed: Preprocessed = self.preprocess(notebook, resources)
        except Exception as error:
            who = identity(resources)
            reason = str(error) if isinstance(error, LabsError) else f"{type(error).__name__}: {error}"
            Record(self._course).give_up(who, reason)
            _withhold(resources["nbgrader"]["db_url"], who)
            self.log.error("%s needs attention: %s. No score is written.", who.student, reason)
            raise
        return preprocessed

    @property
    def _converter(self) -> Autograde:
        return self.parent.parent

    @property
    def _course(self) -> Path:
        return Path(self._converter.coursedir.root)


def identity(resources: Resources) -> Identity:
    """Whose notebook nbgrader is converting."""
    about = resources["nbgrader"]
    return Identity(about["student"], about["assignment"], about["notebook"])


class RestoreCells(_Indispensable):
    """Give each cell that nbgrader knows its own metadata again, and append graded cells that are missing.

    What a student may do to metadata would make nbgrader's later steps crash, or take a cell for another. A
    mere copy of a graded cell would end the batch: nbgrader's own `DeduplicateIds` leaves metadata behind
    that its validation takes for another version's.
    """

    def preprocess(self, notebook: NotebookNode, resources: Resources) -> Preprocessed:
        who = identity(resources)
        with Gradebook(resources["nbgrader"]["db_url"]) as gradebook:
            known = gradebook.find_notebook(who.notebook, who.assignment)
            metadata = _metadata(known)
            sources = {cell.name: cell for cell in known.source_cells}
        present = set()
        for cell in reversed(notebook.cells):  # of two copies the last one counts
            name = grade_id(cell)
            if name in metadata and name not in present:
                cell.metadata["nbgrader"] = NotebookNode(metadata[name])
                present.add(name)
            elif "nbgrader" in cell.metadata:
                del cell.metadata["nbgrader"]
        for name, meta in metadata.items():
            if meta["grade"] and name not in present:
                self.log.warning("%s: graded cell %s is missing, judged at the end", who.student, name)
                new = (
                    nbformat.v4.new_code_cell
                    if meta["cell_type"] == "code"
                    else nbformat.v4.new_markdown_cell
                )
                notebook.cells.append(new(sources[name].source, metadata={"nbgrader": meta}))
        return notebook, resources


def _metadata(known: Any) -> dict[str, dict[str, Any]]:
    """nbgrader's metadata of every cell of the source notebook, as its database has it."""
    points = {cell.name: cell.max_score for cell in [*known.grade_cells, *known.task_cells]}
    graded = {cell.name for cell in known.grade_cells}
    solutions = {cell.name for cell in known.solution_cells}
    tasks = {cell.name for cell in known.task_cells}
    result = {}
    for cell in known.source_cells:
        meta = {
            "schema_version": 3,
            "grade": cell.name in graded,
            "solution": cell.name in solutions,
            "task": cell.name in tasks,
            "locked": cell.locked,
            "grade_id": cell.name,
            "checksum": cell.checksum,
            "cell_type": cell.cell_type,
        }
        result[cell.name] = meta | ({"points": points[cell.name]} if cell.name in points else {})
    return result


class JudgeInLab(_Indispensable):
    """Play the submission in a sandbox against its own cluster and record the verdicts."""

    labs = Unicode("grader.clusters.cluster_lab", help="Importable name of what makes a lab for a run").tag(
        config=True
    )
    limits = Instance(Limits, (), help="What a submission may use up").tag(config=True)
    runs = Enum(
        ("either", "recorded", "new"),
        default_value=None,
        allow_none=True,
        help="Whether a finished run of the same submission counts, must be there, or is made anew (--force)",
    ).tag(config=True)

    def preprocess(self, notebook: NotebookNode, resources: Resources) -> Preprocessed:
        who = identity(resources)
        record = Record(self._course)
        run = self._run(notebook, who, record)
        resources[RUN] = run.id
        return nbformat.read(record.executed(run.id), as_version=4), resources

    def submission(self, notebook: NotebookNode, who: Identity) -> Submission:
        """The sanitised notebook with what lies beside it and what it is graded for."""
        coursedir = self._converter.coursedir
        submitted = Path(coursedir.format_path(coursedir.submitted_directory, who.student, who.assignment))
        source = Path(coursedir.format_path(coursedir.source_directory, ".", who.assignment))
        check_no_link(submitted)
        check_no_link(submitted / f"{who.notebook}.ipynb")
        graded = graded_cells(source / f"{who.notebook}.ipynb")
        return Submission(who, notebook, files_of(submitted, source), graded)

    def _run(self, notebook: NotebookNode, who: Identity, record: Record) -> Run:
        submission = self.submission(notebook, who)
        wanted = self.runs or ("new" if self._converter.force else "either")
        found = None if wanted == "new" else record.find(submission.key)
        if found is not None:
            return found
        if wanted == "recorded":
            before = record.latest(who.assignment).get(who)
            raise NeedsAttentionError(before if isinstance(before, str) else "it has not been judged yet")
        from grader.attempt import Judging

        return Judging(record, import_item(self.labs), self.limits, self._course).judge(submission)


class SaveVerdicts(_Indispensable, SaveAutoGrades):  # type: ignore[misc]  # nbgrader has no types
    """Fill the gradebook: autograded cells from the record, manually graded ones as nbgrader does."""

    def preprocess(self, notebook: NotebookNode, resources: Resources) -> Preprocessed:
        who = identity(resources)
        if RUN not in resources:
            raise NeedsAttentionError("it was not judged in the lab: no score is written")
        run = Record(self._course).run(resources[RUN])
        if run.who != who:
            raise TroubleError(f"run {run.id} is of {run.who.student}, not of {who.student}")
        self._scores = _scores(
            resources["nbgrader"]["db_url"], run
        )  # all of them, before the first is written
        preprocessed: Preprocessed = super().preprocess(notebook, resources)
        return preprocessed

    def _add_score(self, cell: NotebookNode, resources: Resources) -> None:
        if utils.is_solution(cell) or utils.is_task(cell):
            super()._add_score(cell, resources)  # from its checksum only: zero, or to be graded by hand
            return
        name = cell.metadata.nbgrader["grade_id"]
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        grade.auto_score = self._scores[name]
        grade.needs_manual_grade = grade.manual_score is not None
        self.gradebook.db.commit()


def _scores(db_url: str, run: Run) -> dict[str, float]:
    with Gradebook(db_url) as gradebook:
        known = _metadata(gradebook.find_notebook(run.who.notebook, run.who.assignment))
    graded = {name: meta for name, meta in known.items() if meta["grade"] and not meta["solution"]}
    for name, meta in graded.items():
        if name not in run.verdicts:
            raise TroubleError(f"there is no verdict on cell {name}: run `nbgrader autograde` again")
        if run.verdicts[name]["max"] != meta["points"]:
            raise TroubleError(f"cell {name} changed its points: run `nbgrader generate_assignment` again")
    return {name: run.verdicts[name]["points"] for name in graded}


def _withhold(db_url: str, who: Identity) -> None:
    """Take back what an earlier submission scored, and have nbgrader's own pages ask for a person."""
    with Gradebook(db_url) as gradebook:
        for notebook in gradebook.find_submission(who.assignment, who.student).notebooks:
            for grade in notebook.grades:
                grade.auto_score = None
                grade.needs_manual_grade = True
        gradebook.db.commit()
