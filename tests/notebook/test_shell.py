"""`%node` and `%%node`."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from labs.notebook.errors import NodeCommandError, NotebookError
from labs.notebook.session import Session
from labs.notebook.shell import run as run_on_node
from tests.notebook.conftest import Run
from tests.notebook.desk import Desk


def test_a_cell_is_a_shell_script(run: Run) -> None:
    ran = run("%%node\nx=hello\necho $x; echo oops >&2")

    assert ran.captured.stdout == "hello\n"
    assert ran.captured.stderr == "oops\n"


def test_a_line_is_a_command_that_nothing_expands_but_the_shell(run: Run) -> None:
    run("HOME = 'python'; x = 'python'")

    assert run("%node echo {x} '{.metadata.uid}' $((1 + 2))").captured.stdout == "{x} {.metadata.uid} 3\n"


def test_a_command_may_end_before_it_is_known_to_have_begun(run: Run, the_desk: Desk) -> None:
    the_desk.hurried = True

    assert run("%%node --timeout 20\n# nothing to do").error is None
    assert run("%node --timeout 20 echo done; exit 3").captured.stdout == "done\n"


def test_options_end_where_the_command_begins(run: Run) -> None:
    assert run("%node --timeout 9 printf %s --check").captured.stdout == "--check"


def test_output_keeps_its_characters_however_it_is_cut(run: Run) -> None:
    ran = run("%%node\nfor i in $(seq 2000); do printf 'é漢'; done")

    assert ran.captured.stdout == "é漢" * 2000


def test_a_failing_command_is_mentioned_and_the_cell_goes_on(run: Run) -> None:
    ran = run("%%node\nexit 3")

    assert ran.error is None
    assert ran.captured.stderr == "[exit status 3]\n"


def test_with_check_a_failing_command_fails_the_cell_in_one_line(run: Run) -> None:
    ran = run("%%node --check\nfalse")

    assert isinstance(ran.error, NodeCommandError)
    assert "Traceback" not in ran.captured.stdout + ran.captured.stderr


def test_a_command_that_takes_too_long_is_ended(run: Run) -> None:
    ran = run("%%node --timeout 0.2\necho begun\nsleep 60")

    assert isinstance(ran.error, NodeCommandError)
    assert str(ran.error) == "the command was ended after 0.2 s, the time that --timeout gave it"
    assert ran.captured.stdout.startswith("begun\n")


def test_a_background_process_does_not_hold_the_cell(run: Run) -> None:
    assert run("%%node\nsleep 60 &\necho on").captured.stdout == "on\n"


class InterruptedAtOutput:
    """A cell's output; its reader loses patience at the first word."""

    def write(self, text: str) -> None:
        if text:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as in a kernel: a job in a script's background ignores it, and so would all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_kernels_interrupt_reaches_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # no child: bash forgets an interrupt when the child it waits for has not died of it
    script = "trap 'exit 5' INT; echo ready; while :; do :; done"
    monkeypatch.setattr("sys.stdout", InterruptedAtOutput())

    assert run_on_node(Session(lambda _: None), ["bash", "-c", script], timeout=20) == 5


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%node", "there is no command"),
        ("%%node\n\n", "there is no command"),
        ("%%node --fast\necho", "unrecognized arguments: --fast; known are -n NODE"),
        ("%%node --timeout soon\necho", "invalid float value: 'soon'"),
    ],
)
def test_a_call_that_makes_no_sense_says_what_does(run: Run, cell: str, message: str) -> None:
    ran = run(cell)

    assert isinstance(ran.error, NotebookError)
    assert message in str(ran.error)
