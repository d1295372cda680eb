"""A shell to run cells in, and a desk that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output

from tests.notebook.desk import Desk, desk


@dataclass(frozen=True)
class Ran:
    """What a cell left behind."""

    captured: CapturedIO
    error: BaseException | None

    @property
    def text(self) -> str:
        """What is read where no HTML can be shown."""
        return "\n".join(str(output.data.get("text/plain", "")) for output in self.captured.outputs)

    @property
    def html(self) -> str:
        return "\n".join(str(output.data.get("text/html", "")) for output in self.captured.outputs)


Run = Callable[[str], Ran]


@pytest.fixture
def the_desk(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path / "student.sock") as made:
        yield made


@pytest.fixture
def run(the_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a cell in a shell that has loaded the extension, as a kernel in the grader's sandbox has."""
    monkeypatch.setenv("CKS_LABS_STUDENT_SOCKET", str(the_desk.path))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()

    def run(cell: str) -> Ran:
        with capture_output() as captured:
            result = shell.run_cell(cell)
        return Ran(captured, result.error_before_exec or result.error_in_exec)

    loaded = run("%load_ext labs.notebook")
    assert loaded.error is None
    yield run
    InteractiveShell.clear_instance()
