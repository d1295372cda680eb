"""The commands of `grader`.

Statuses: 0 done, 1 a submission needs attention or a score is not what it must be, 2 the call is wrong.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from grader import batch, reports
from grader import sample as samples
from grader.course import CONFIG, Course
from grader.doctor import examine
from labs.errors import LabsError, UsageError

DEFAULT_COURSE = Path(__file__).resolve().parents[1] / "course"

app = typer.Typer(
    name="grader",
    help="Judge submissions in labs of their own, show and export the scores.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

#: What is raised for a wrong call. typer keeps its copy of click to itself, but for classes derived from it.
CallError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]

#: What typer makes of Ctrl-C.
INTERRUPTED = 130

CORES = os.cpu_count() or 1
messages = Console(stderr=True, soft_wrap=True, highlight=False)

Assignment = Annotated[str, typer.Argument(help="Its name; may be left out where there is only one.")]
CourseDirectory = Annotated[
    Path | None,
    typer.Option("--course", help="The course directory. [default: here, else the project's own]"),
]
Students = Annotated[
    list[str] | None,
    typer.Option("--student", help="Only this one. May be given more than once."),
]
Workers = Annotated[int, typer.Option(min=1, help="How many submissions are judged at once.")]


def _course(directory: Path | None, assignment: str) -> Course:
    here = Path.cwd()
    return Course(directory or (here if (here / CONFIG).exists() else DEFAULT_COURSE), assignment)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def grade(course: Course, students: list[str], workers: int, *, force: bool) -> int:
    """Judge with a progress bar; how many submissions need attention."""
    with _bar(messages) as bar:
        task = bar.add_task("judging", total=len(students))

        def progress(student: str, attention: str) -> None:
            bar.advance(task)
            if attention:
                messages.print(f"{student} needs attention: {attention}")

        outcome = batch.autograde(course, students, workers, force=force, progress=progress)
    return len(outcome.attention)


@app.command()
def autograde(
    assignment: Assignment = "",
    *,
    course: CourseDirectory = None,
    student: Students = None,
    workers: Workers = CORES,
    force: Annotated[bool, typer.Option(help="Judge again what has been judged.")] = False,
    scheduler: Annotated[str, typer.Option(help="Address of a Dask scheduler (not yet).")] = "",
) -> None:
    """Judge every submission and fill the gradebook. Goes on where an earlier call stopped."""
    if scheduler:
        raise UsageError("--scheduler is not there yet: leave it out, and use --workers on this machine")
    it = _course(course, assignment)
    students = student or it.students()
    attention = grade(it, students, workers, force=force)
    if attention:
        raise LabsError(
            f"{attention} of {len(students)} submissions need attention: no score was written for them"
        )


@app.command()
def feedback(assignment: Assignment = "", course: CourseDirectory = None, student: Students = None) -> None:
    """Write each student's feedback page, with a line for every criterion."""
    it = _course(course, assignment)
    failed = []
    for one in student or [score.student for score in it.scores()]:
        if it.feedback(one):
            typer.echo(it.root / "feedback" / one / it.assignment)
        else:
            failed.append(one)
    if failed:
        raise LabsError(
            f"no feedback for {', '.join(failed)}: run `grader autograde` first, or see {it.log_file}"
        )


@app.command()
def report(
    assignment: Assignment = "",
    course: CourseDirectory = None,
    as_json: Annotated[bool, typer.Option("--json", help="One document on stdout.")] = False,
) -> None:
    """Show the scores."""
    document = reports.report(_course(course, assignment))
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        Console().print(reports.table(document))


@app.command()
def export(
    assignment: Assignment = "",
    course: CourseDirectory = None,
    to: Annotated[Path | None, typer.Option(help="A file. [default: stdout]")] = None,
) -> None:
    """Write the scores as CSV."""
    text = reports.as_csv(reports.report(_course(course, assignment)))
    if to is None:
        typer.echo(text, nl=False)
    else:
        to.write_text(text, encoding="utf-8")


@app.command()
def doctor() -> None:
    """Try what judging needs on this machine."""
    bad = False
    for found in examine():
        typer.echo(f"{'ok' if found.ok else 'NO':3} {found.name}: {found.what}")
        bad = bad or not found.ok
    if bad:
        raise typer.Exit(1)


@app.command()
def sample(
    workers: Workers = CORES,
    keep: Annotated[Path | None, typer.Option(help="Leave the graded course there.")] = None,
) -> None:
    """Grade a bundled class of known submissions, and compare the scores with what they must be."""
    raise typer.Exit(samples.run(workers, keep, grade))


def run(arguments: Sequence[str]) -> int:
    """Run the command line `arguments`; return the exit status."""
    try:
        status = app(list(arguments) or ["--help"], prog_name="grader", standalone_mode=False) or 0
    except CallError as error:
        command = error.ctx.command_path if error.ctx else "grader"
        raise UsageError(f"{error.format_message().rstrip('.')}: try '{command} --help'") from None
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    return int(status)
