"""The course's notebooks, as they lie in `course/source`: what nbgrader, the grader and the judge rely on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from labs.judge import catalogue, load

SOURCE = Path(__file__).parents[2] / "course" / "source"
NOTEBOOKS = sorted(SOURCE.glob("*/*.ipynb"))
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)

in_each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> dict[str, NotebookNode]:
    """The code cells that nbgrader knows, by their names."""
    cells = (cell for cell in read(path).cells if "nbgrader" in cell.metadata)
    return {cell.metadata.nbgrader.grade_id: cell for cell in cells}


def exercises(path: Path) -> list[str]:
    return [cell.metadata.cks_labs.exercise for cell in read(path).cells if "cks_labs" in cell.metadata]


def test_every_exercise_has_its_place_in_the_course() -> None:
    bound = [exercise for path in NOTEBOOKS for exercise in exercises(path)]

    assert sorted(bound) == [exercise.id for exercise in catalogue()]


@in_each_notebook
def test_a_notebook_is_valid_and_holds_no_outputs(path: Path) -> None:
    notebook = read(path)

    nbformat.validate(notebook)
    assert all(
        not cell.outputs and cell.execution_count is None for cell in notebook.cells if "outputs" in cell
    )
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@in_each_notebook
def test_a_checkpoint_gives_the_points_of_its_exercise_and_cannot_be_edited(path: Path) -> None:
    for id in exercises(path):
        cell = code(path)[id]

        assert cell.source == f'check("{id}")'
        assert cell.metadata.nbgrader.points == load(id).points
        assert cell.metadata.nbgrader.locked
        assert cell.metadata.nbgrader.grade


@in_each_notebook
def test_the_notebook_solves_its_exercises_as_their_files_do(path: Path) -> None:
    for id in exercises(path):
        exercise, cells = load(id), code(path)
        asked = {cells[name].source for name in (f"{id}-prediction", f"{id}-explanation")}
        answers = {
            (match[1], match[2])
            for source in asked
            if (match := re.search(r'"[\w-]+", "([\w-]+)",\n### BEGIN SOLUTION\n    "([\w-]+)"', source))
        }
        commands = "".join(
            SOLUTION.findall(cells[name].source)[0]
            for name in (f"{id}-deed", f"{id}-repair")
            if name in cells
        )

        assert answers == set(exercise.solution.answers.items())
        assert commands.strip() == exercise.solution.script
        assert cells[f"{id}--start"].source == f'start("{id}")'


@in_each_notebook
def test_what_a_student_gets_runs_as_it_is(path: Path) -> None:
    for cell in code(path).values():
        released = SOLUTION.sub("# Your work goes here.", cell.source)
        if not released.startswith(("%%node", "%load_ext")):
            ast.parse(released)


@in_each_notebook
def test_a_notebook_says_where_to_look_in_the_exam_and_shows_a_picture(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")

    for id in exercises(path):
        assert f'hint("{id}")' in text or "hint(" in text
    assert text.count("### In the exam") == len(exercises(path))
    assert "https://kubernetes.io/docs/" in text
    assert "data:image/svg+xml;base64," in text
