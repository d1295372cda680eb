"""A course directory seen through nbgrader: its settings, its submissions, its gradebook.

The `grader` command reads everything through nbgrader's own application object, so that settings in
`nbgrader_config.py` hold for both ways of grading.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import AutogradeApp, GenerateAssignmentApp, GenerateFeedbackApp
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback, NbGraderException
from traitlets.config import Config

from grader.plugin import JudgeInLab
from grader.record import FOLDER, Identity, Record
from grader.submission import Submission
from labs.errors import LabsError, UsageError

CONFIG = "nbgrader_config.py"


@dataclass(frozen=True)
class Score:
    """What the gradebook has for one student. `score` is None while a person has to look."""

    student: str
    score: float
    max: float
    by_hand: bool


class Course:
    """One assignment of a course.

    Args:
        root: the course directory, the one with `nbgrader_config.py`.
        assignment: its name; may be empty where the course has only one.

    Raises:
        UsageError: there is no such course or assignment.
    """

    def __init__(self, root: Path, assignment: str = "") -> None:
        self.root = root.resolve()
        if not (self.root / CONFIG).exists():
            raise UsageError(f"{self.root} has no {CONFIG}: name the course directory with --course")
        self.assignment = assignment or self._only_assignment()
        self.record = Record(self.root)
        self.log_file = self.root / FOLDER / "nbgrader.log"
        self._log = logging.Logger("nbgrader", logging.INFO)
        self._log.addHandler(_LogFile(self.log_file))
        self._settings = self._application(AutogradeApp)

    def students(self) -> list[str]:
        """Who has submitted, by name."""
        coursedir = self._settings.coursedir
        pattern = coursedir.format_path(coursedir.submitted_directory, "*", self.assignment)
        wanted = Path(pattern).relative_to(self.root)
        expression = coursedir.format_path(
            coursedir.submitted_directory, "(?P<student>.*)", self.assignment, escape=True
        )
        matches = [re.fullmatch(expression, str(path)) for path in self.root.glob(str(wanted))]
        students = sorted(match["student"] for match in matches if match)
        if not students:
            raise UsageError(f"nothing was submitted for {self.assignment}: expected {pattern}")
        return students

    def generate(self) -> None:
        """Make the release, and have the gradebook know the assignment."""
        self._convert(GenerateAssignmentApp, GenerateAssignment, force=True)

    def autograde(self, student: str, config: Config, *, force: bool) -> bool:
        """nbgrader's own conversion of one submission, into the gradebook; whether it went through."""
        return self._try(AutogradeApp, Autograde, student=student, config=config, force=force)

    def feedback(self, student: str) -> bool:
        """nbgrader's feedback page; whether it went through."""
        return self._try(GenerateFeedbackApp, GenerateFeedback, student=student, force=True)

    def submissions(self, student: str) -> Iterator[Submission]:
        """A student's notebooks, sanitised as nbgrader will sanitise them for the score."""
        application = self._application(AutogradeApp, student=student)
        converter = Autograde(coursedir=application.coursedir, parent=application)
        converter.init_notebooks()
        for folder in sorted(converter.assignments):
            for path in sorted(converter.assignments[folder]):
                resources = converter.init_single_notebook_resources(path)
                if not self._known(resources["nbgrader"]):
                    continue
                exporter = NotebookExporter(parent=converter, config=converter.config)
                for preprocessor in converter.sanitize_preprocessors:
                    exporter.register_preprocessor(preprocessor, enabled=True)
                text, resources = exporter.from_filename(path, resources=resources)
                judge = JudgeInLab(parent=exporter)
                about = resources["nbgrader"]
                who = Identity(about["student"], about["assignment"], about["notebook"])
                yield judge.submission(nbformat.reads(text, as_version=4), who)

    def judging(self) -> JudgeInLab:
        """The step that judges, with this course's settings."""
        converter = Autograde(coursedir=self._settings.coursedir, parent=self._settings)
        return JudgeInLab(parent=NotebookExporter(parent=converter, config=converter.config))

    def scores(self) -> list[Score]:
        """The gradebook's, by student."""
        with self._gradebook() as gradebook:
            return sorted(
                (
                    Score(one.student_id, one.score, one.max_score, one.needs_manual_grade)
                    for one in gradebook.assignment_submissions(self.assignment)
                ),
                key=lambda score: score.student,
            )

    def max_score(self) -> float:
        """The full score of the assignment."""
        with self._gradebook() as gradebook:
            try:
                return float(gradebook.find_assignment(self.assignment).max_score)
            except MissingEntry:
                raise UsageError(_unknown(self.assignment)) from None

    def _known(self, about: dict[str, str]) -> bool:
        with self._gradebook() as gradebook:
            try:
                gradebook.find_notebook(about["notebook"], about["assignment"])
            except MissingEntry:
                return False
        return True

    def _gradebook(self) -> Any:
        return Gradebook(self._settings.coursedir.db_url)

    def _only_assignment(self) -> str:
        names = sorted(path.name for path in (self.root / "source").glob("*") if path.is_dir())
        if len(names) != 1:
            listed = ", ".join(names) or "none"
            raise UsageError(f"name the assignment, the course has: {listed}")
        return names[0]

    def _application(self, kind: type[Any], student: str = "") -> Any:
        """nbgrader's application, with this course's settings loaded and its log in a file."""
        application = kind(log=self._log)
        application.initialize(["--course-dir", str(self.root)])
        application.coursedir.assignment_id = self.assignment
        if student:
            application.coursedir.student_id = student
        return application

    def _convert(self, application: type[Any], converter: type[Any], *, force: bool) -> None:
        if not self._try(application, converter, force=force):
            raise LabsError(f"nbgrader could not convert {self.assignment}: see {self.log_file}")

    def _try(
        self,
        kind: type[Any],
        converter: type[Any],
        *,
        student: str = "",
        config: Config | None = None,
        force: bool,
    ) -> bool:
        application = self._application(kind, student)
        if config is not None:
            application.update_config(config)
        try:
            converter(coursedir=application.coursedir, parent=application, force=force).start()
        except NbGraderException:
            return False
        return True


class _LogFile(logging.FileHandler):
    """A log beside the record, made with its first line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, delay=True)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        Path(self.baseFilename).parent.mkdir(exist_ok=True, mode=0o700)
        super().emit(record)


def _unknown(assignment: str) -> str:
    return f"the gradebook does not know {assignment}: run `nbgrader generate_assignment {assignment}` first"
