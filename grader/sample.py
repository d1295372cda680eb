"""The bundled class: submissions whose scores are known, because the exercises say what each attempt earns.

Made from the course's own notebooks by writing an exercise's attempts into the cells that students fill in:
the reference solution, each wrong way, nothing at all, and one who cheats. The course it is graded in is
made anew each time.
"""

from __future__ import annotations

import copy
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from rich.console import Console

from grader import reports
from grader.course import CONFIG, Course
from grader.submission import grade_id, graded_cells
from labs import judge
from labs.errors import LabsError

COURSE = Path(__file__).resolve().parents[1] / "course"

#: How the class is graded: course, students, workers, force; the number that need attention.
Grade = Callable[..., int]

_ASKS = re.compile(r'\s*(?P<verb>\w+)\(\s*"(?P<exercise>[\w-]+)",\s*"(?P<question>[\w-]+)"')

#: What somebody does who believes that the notebook's kernel gives the points.
CHEAT = """\
import ast, builtins, sys

class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)

get_ipython().ast_transformers.append(NoAsserts())

class Full:
    points = max = 10
    passed = True
    def __repr__(self):
        return "10.0"

def check(*_, **__):
    print("10 of 10 points")
    return Full()

builtins.check = check
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("labs") and hasattr(module, "check"):
        module.check = check
print(10.0)
10.0
"""
LEAVE = "print('10 of 10 points', flush=True)\nimport os\nos._exit(0)\n"


@dataclass(frozen=True)
class Student:
    """One submission, and what it must score."""

    name: str
    notebook: NotebookNode
    score: float


def run(workers: int, keep: Path | None, grade: Grade) -> int:
    """Grade the class of every assignment; 0 when each score is what it must be."""
    console = Console()
    with ExitStack() as stack:
        root = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cks-labs-class-")))
        differing = 0
        for source in sorted(path for path in (COURSE / "source").iterdir() if path.is_dir()):
            course, expected = make(root / source.name, source)
            attention = grade(course, sorted(expected), workers, force=False)
            document = reports.report(course)
            scores = {one["student"]: one["score"] for one in document["submissions"]}
            console.print(reports.table(document, expected))
            differing += attention or sum(scores.get(name) != score for name, score in expected.items())
    return 1 if differing else 0


def make(root: Path, source: Path) -> tuple[Course, dict[str, float]]:
    """A course with the assignment in `source` and its class, and the score that each student must get."""
    if root.exists() and any(root.iterdir()):
        raise LabsError(f"{root} is not empty: name a new directory")
    shutil.copytree(
        source, root / "source" / source.name, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    shutil.copy(source.parents[1] / CONFIG, root / CONFIG)
    course = Course(root, source.name)
    course.generate()
    expected: dict[str, float] = {}
    for path in sorted(source.glob("*.ipynb")):
        release = nbformat.read(root / "release" / source.name / path.name, as_version=4)
        solved = nbformat.read(path, as_version=4)
        exercises = [judge.load(cell.exercise) for cell in graded_cells(path)]
        for student in students(release, solved, exercises):
            folder = root / "submitted" / student.name / source.name
            folder.mkdir(parents=True, exist_ok=True)
            nbformat.write(student.notebook, folder / path.name)
            expected[student.name] = expected.get(student.name, 0.0) + student.score
    return course, expected


def students(
    release: NotebookNode, solved: NotebookNode, exercises: list[judge.Exercise]
) -> Iterator[Student]:
    """The class for one notebook. Whoever goes wrong in one exercise does the others well."""

    def member(name: str, attempts: Mapping[str, judge.Attempt]) -> Student:
        score = sum(attempt.score for attempt in attempts.values())
        return Student(name, _filled(release, solved, attempts), score)

    well = {exercise.id: exercise.solution for exercise in exercises}
    yield member("perfect", well)
    yield Student("empty", copy.deepcopy(release), 0)
    for name in dict.fromkeys(attempt.id for exercise in exercises for attempt in exercise.wrong):
        wrong = {
            exercise.id: attempt for exercise in exercises for attempt in exercise.wrong if attempt.id == name
        }
        yield member(name, well | wrong)
    yield _cheat(member("cheat", {exercises[0].id: exercises[0].solution}), exercises)


def _cheat(honest: Student, exercises: list[judge.Exercise]) -> Student:
    """Does the first exercise as it should be done; the rest by force."""
    cells = honest.notebook.cells
    cells.insert(0, nbformat.v4.new_code_cell(CHEAT))
    first = next(number for number, cell in enumerate(cells) if grade_id(cell) == exercises[0].id)
    cells.insert(first, nbformat.v4.new_code_cell(CHEAT))
    later = {exercise.id for exercise in exercises[1:]}
    last = next((number for number, cell in enumerate(cells) if grade_id(cell) in later), len(cells))
    cells.insert(last, nbformat.v4.new_code_cell(LEAVE))
    return honest


def _filled(
    release: NotebookNode, solved: NotebookNode, attempts: Mapping[str, judge.Attempt]
) -> NotebookNode:
    """The released notebook with the attempts written into it."""
    originals = {grade_id(cell): cell.source for cell in solved.cells}
    scripts = {exercise: attempt.script for exercise, attempt in attempts.items()}
    notebook = copy.deepcopy(release)
    for cell in notebook.cells:
        if cell.cell_type != "code" or not cell.metadata.get("nbgrader", {}).get("solution"):
            continue
        name = grade_id(cell) or ""
        exercise = next((one for one in attempts if name.startswith(f"{one}-")), None)
        if exercise is None:
            continue
        original = originals[name]
        if not original.startswith("%%"):
            cell.source = _answers(original, attempts[exercise]) or cell.source
        elif exercise in scripts:  # an attempt has one script: it goes into the first cell for the node
            cell.source = f"{original.splitlines()[0]}\n{scripts.pop(exercise)}"
    return notebook


def _answers(original: str, attempt: judge.Attempt) -> str:
    """What the attempt says in a cell that asks something; nothing when it leaves the question out."""
    asks = _ASKS.match(original)
    if asks is None:
        raise LabsError(f"this cell neither asks nor runs anything on the node: {original.splitlines()[0]}")
    lines = []
    if asks["question"] in attempt.answers:
        lines.append(_answer(asks["verb"], asks, asks["question"], attempt.answers[asks["question"]]))
    if asks["verb"] != "predict":
        lines += [_answer("predict", asks, question, key) for question, key in attempt.late.items()]
    return "\n".join(lines)


def _answer(verb: str, asks: re.Match[str], question: str, key: str) -> str:
    return f'{verb}("{asks["exercise"]}", "{question}", "{key}")'
