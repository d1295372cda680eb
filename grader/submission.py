"""A submission as the judge's side sees it, and what of it a verdict depends on.

Which cell belongs to which exercise is read from the instructor's source notebook, never from what was
submitted: a graded cell (nbgrader: `grade` and not `solution`) is bound to the exercise named by its
metadata `{"cks_labs": {"exercise": ID}}`, else by its `grade_id`. A locked cell `ID--start` sets the
exercise up; when a submission lacks it, the grader does so before the first cell, and when it did not
work, after it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from grader.errors import NeedsAttentionError
from grader.record import Identity
from labs.errors import LabsError

#: Part of every key: raise it when the meaning of a recorded run changes.
FORMAT = 1

MOST_FILES = 200
MOST_BYTES = 64 * 1024 * 1024

START = "--start"


@dataclass(frozen=True)
class GradedCell:
    """A cell of the source notebook that earns points, and the exercise they are earned in."""

    id: str
    exercise: str
    points: float
    source: str


@dataclass(frozen=True)
class Submission:
    """One notebook to be judged, with all that is needed to do it on any machine."""

    who: Identity
    notebook: NotebookNode
    files: Mapping[str, bytes]
    graded: tuple[GradedCell, ...]

    @property
    def key(self) -> str:
        """The digest of all that the verdicts depend on: the same key, the same score."""
        cells = [
            [cell.cell_type, cell.source, grade_id(cell) if cell.cell_type == "code" else None]
            for cell in self.notebook.cells
        ]
        files = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}
        graded = [[cell.id, cell.exercise, cell.points] for cell in self.graded]
        text = json.dumps([FORMAT, vars(self.who), cells, files, graded], sort_keys=True)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()

    @property
    def unstarted(self) -> list[str]:
        """Exercises whose start cell the submission lacks."""
        present = {grade_id(cell) for cell in self.notebook.cells if cell.cell_type == "code"}
        return [cell.exercise for cell in self.graded if f"{cell.exercise}{START}" not in present]


def grade_id(cell: NotebookNode) -> str | None:
    """nbgrader's name of a cell, if it has one."""
    meta = cell.metadata.get("nbgrader")
    name = meta.get("grade_id") if isinstance(meta, dict) else None
    return name if isinstance(name, str) else None


def graded_cells(source: Path) -> tuple[GradedCell, ...]:
    """The autograded cells of a source notebook, in its order.

    Raises:
        LabsError: there is no such notebook, or it is none.
    """
    try:
        notebook = nbformat.read(source, as_version=4)
    except FileNotFoundError:
        raise LabsError(f"{source} is missing: it says which cell belongs to which exercise") from None
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        raise LabsError(f"{source} cannot be read: {error}") from None
    found = []
    for cell in notebook.cells:
        meta: Mapping[str, Any] = cell.metadata.get("nbgrader", {})
        if meta.get("grade") and not meta.get("solution") and not meta.get("task"):
            exercise = cell.metadata.get("cks_labs", {}).get("exercise", meta["grade_id"])
            found.append(GradedCell(meta["grade_id"], exercise, float(meta["points"]), cell.source))
    return tuple(found)


def files_of(submitted: Path, source: Path) -> dict[str, bytes]:
    """What lies next to the notebook: the student's files, over them the instructor's of the same names.

    Raises:
        NeedsAttentionError: the submission has links, devices or too much of anything.
    """
    files = dict(_regular_files(submitted))
    if source.is_dir():
        files |= dict(_regular_files(source))
    return files


def check_no_link(path: Path) -> None:
    """Refuse a submission that points at somebody else's file.

    Raises:
        NeedsAttentionError: it does.
    """
    if path.is_symlink():
        raise NeedsAttentionError(f"{path.name} is a symbolic link: ask the student for the file itself")


def _regular_files(folder: Path) -> Iterable[tuple[str, bytes]]:
    total = 0
    for count, path in enumerate(_walk(folder)):
        check_no_link(path)
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise NeedsAttentionError(
                f"{path.name} is neither a file nor a folder: remove it and grade again"
            )
        total += status.st_size
        if count >= MOST_FILES or total > MOST_BYTES:
            limit = f"{MOST_FILES} files and {MOST_BYTES // 1024 // 1024} MiB"
            raise NeedsAttentionError(f"the files beside the notebook are more than {limit}: remove some")
        yield str(path.relative_to(folder)), path.read_bytes()


def _walk(folder: Path) -> Iterable[Path]:
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in (".ipynb_checkpoints", "__pycache__"))
        for name in folders:
            check_no_link(Path(directory, name))
        for name in sorted(names):
            if not name.endswith(".ipynb"):
                yield Path(directory, name)
