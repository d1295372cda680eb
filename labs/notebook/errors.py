"""What a student reads in a cell when something does not work: one line, no traceback."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from labs.errors import LabsError


class NotebookError(LabsError):
    """The call in the cell cannot be done as it stands."""


class NodeCommandError(NotebookError):
    """A command on the node failed in a cell that asks for success (`--check`), or it ran out of time."""


def show_in_one_line(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> list[str]:
    """IPython's handler for `LabsError`: the cell fails, with the message and nothing else."""
    lines = [f"\x1b[31m{error}\x1b[0m"]
    shell._showtraceback(kind, error, lines)
    return lines
