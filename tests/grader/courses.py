"""Small nbgrader courses to grade, and submissions for them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
NBGRADER = Path(sys.executable).parent / "nbgrader"
GRADER = (sys.executable, "-m", "grader")
ASSIGNMENT = "lab"

#: What a notebook says to the stand-in lab.
DO = """\
import os, socket
def do(exercise, criterion):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.environ["CKS_LABS_STUDENT_SOCKET"])
        s.sendall(f"{exercise} {criterion}\\n".encode())
        s.recv(10)
"""


def graded(exercise: str, points: float) -> nbformat.NotebookNode:
    meta = {"grade": True, "solution": False, "locked": True, "task": False, "points": points}
    return _cell(f'"check {exercise}"', exercise, meta)


def solution(name: str, source: str = "") -> nbformat.NotebookNode:
    return _cell(source, name, {"grade": False, "solution": True, "locked": False, "task": False})


def locked(name: str, source: str) -> nbformat.NotebookNode:
    return _cell(source, name, {"grade": False, "solution": False, "locked": True, "task": False})


def plain(source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source)


def _cell(source: str, name: str, meta: dict[str, object]) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(source)
    cell.metadata["nbgrader"] = {"schema_version": 3, "grade_id": name, "cell_type": "code", **meta}
    return cell


def notebook(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=list(cells), metadata={"kernelspec": spec})


def source() -> nbformat.NotebookNode:
    return notebook(
        locked("helpers", DO),
        locked("first--start", "1"),
        solution("first-work"),
        graded("first", 5.0),
        locked("second--start", "1"),
        solution("second-work"),
        graded("second", 5.0),
    )


def answered(first: str = "", second: str = "", *more: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The source notebook with the student's code in it."""
    result = source()
    result.cells[2].source = first
    result.cells[5].source = second
    result.cells += more
    return result


PERFECT = answered('do("first", "predicted"); do("first", "done")', 'do("second", "done")')


def call(
    folder: Path, *argv: str, timeout: float = 280, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder`, with this project's packages at hand."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        argv, cwd=folder, env=env, text=True, capture_output=True, timeout=timeout, check=False
    )


class Course:
    """A course directory with nbgrader's settings of this project, and the stand-in lab."""

    def __init__(
        self, root: Path, settings: str = 'c.JudgeInLab.labs = "tests.grader.standin.lab"\n'
    ) -> None:
        self.root = root
        self.trouble = root / "trouble.json"
        (root / "source" / ASSIGNMENT).mkdir(parents=True)
        config = (ROOT / "course" / "nbgrader_config.py").read_text()
        (root / "nbgrader_config.py").write_text(f"{config}\n{settings}")
        nbformat.write(source(), root / "source" / ASSIGNMENT / "nb.ipynb")

    def submit(
        self, student: str, content: nbformat.NotebookNode, files: Mapping[str, str] | None = None
    ) -> Path:
        folder = self.root / "submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(content, folder / "nb.ipynb")
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        return folder

    def run(self, *argv: str, timeout: float) -> subprocess.CompletedProcess[str]:
        return call(self.root, *argv, timeout=timeout, CKS_TEST_LAB=str(self.trouble))

    def nbgrader(self, *argv: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
        return self.run(str(NBGRADER), *argv, timeout=timeout)

    def grader(self, *argv: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
        return self.run(*GRADER, *argv, timeout=timeout)

    def generate(self) -> None:
        done = self.nbgrader("generate_assignment", ASSIGNMENT)
        assert done.returncode == 0, done.stderr

    def autograde(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.nbgrader("autograde", ASSIGNMENT, *options)

    def ask_for_trouble(self, fail: str, times: int) -> None:
        self.trouble.write_text(json.dumps({"fail": fail, "times": times}))

    def scores(self) -> dict[str, dict[str, float | None]]:
        """By student, what nbgrader's gradebook has for each graded cell."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.root / 'gradebook.db'}") as gradebook:
            return {
                submission.student_id: {
                    grade.name: grade.auto_score for book in submission.notebooks for grade in book.grades
                }
                for submission in gradebook.assignment_submissions(ASSIGNMENT)
            }

    def autograded(self, student: str) -> nbformat.NotebookNode:
        return nbformat.read(self.root / "autograded" / student / ASSIGNMENT / "nb.ipynb", as_version=4)

    def copy(self, target: Path) -> "Course":
        shutil.copytree(self.root, target, dirs_exist_ok=True)
        twin = object.__new__(Course)
        twin.root, twin.trouble = target, target / "trouble.json"
        return twin
