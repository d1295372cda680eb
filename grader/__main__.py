"""`grader`: judge submissions, show and export their scores. `nbgrader autograde` does the same judging."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from labs.errors import LabsError, UsageError

DEFAULT_COURSE = Path(__file__).resolve().parents[1] / "course"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
errors = Console(stderr=True, soft_wrap=True, highlight=False)

Assignment = Annotated[str, typer.Argument(help="Its name; may be left out where there is only one.")]
CourseDirectory = Annotated[
    Optional[Path],  # noqa: UP045, typer reads it at run time
    typer.Option("--course", help="The course directory. [default: here, else the project's own]"),
]
Students = Annotated[
    Optional[list[str]],  # noqa: UP045, typer reads it at run time
    typer.Option("--student", help="Only this one. May be given more than once."),
]
Workers = Annotated[int, typer.Option(min=1, help="How many submissions are judged at once.")]


def _course(directory: Path | None, assignment: str):  # type: ignore[no-untyped-def] # noqa: ANN202
    from grader.course import CONFIG, Course  # noqa: PLC0415, half a second that `--help` need not take

    here = Path.cwd()
    return Course(directory or (here if (here / CONFIG).exists() else DEFAULT_COURSE), assignment)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def grade(course, students: list[str], workers: int, *, force: bool) -> int:  # type: ignore[no-untyped-def]
    """Judge with a progress bar; how many submissions need attention."""
    from grader.batch import autograde as run_batch  # noqa: PLC0415, see _course

    with _bar(errors) as bar:
        task = bar.add_task("judging", total=len(students))

        def progress(student: str, attention: str) -> None:
            bar.advance(task)
            if attention:
                errors.print(f"{student} needs attention: {attention}")

        outcome = run_batch(course, students, workers, force=force, progress=progress)
    return len(outcome.attention)


@app.command()
def autograde(
    assignment: Assignment = "",
    course: CourseDirectory = None,
    student: Students = None,
    workers: Workers = os.cpu_count() or 1,
    force: Annotated[bool, typer.Option(help="Judge again what has been judged.")] = False,
    scheduler: Annotated[str, typer.Option(help="Address of a Dask scheduler (not yet).")] = "",
) -> None:
    """Judge every submission and write the scores into the gradebook. Goes on where an earlier call stopped."""
    if scheduler:
        raise UsageError("--scheduler is not there yet: leave it out, and use --workers on this machine")
    it = _course(course, assignment)
    students = student or it.students()
    attention = grade(it, students, workers, force=force)
    if attention:
        raise LabsError(f"{attention} of {len(students)} submissions need attention: no score was written for them")


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
        raise LabsError(f"no feedback for {', '.join(failed)}: run `grader autograde` first, or see {it.log_file}")


@app.command()
def report(
    assignment: Assignment = "",
    course: CourseDirectory = None,
    as_json: Annotated[bool, typer.Option("--json", help="One document on stdout.")] = False,
) -> None:
    """Show the scores."""
    from grader import report as reports  # noqa: PLC0415, see _course

    document = reports.report(_course(course, assignment))
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        Console().print(reports.table(document))


@app.command()
def export(
    assignment: Assignment = "",
    course: CourseDirectory = None,
    to: Annotated[Optional[Path], typer.Option(help="A file. [default: stdout]")] = None,  # noqa: UP045
) -> None:
    """Write the scores as CSV."""
    from grader import report as reports  # noqa: PLC0415, see _course

    text = reports.as_csv(reports.report(_course(course, assignment)))
    if to is None:
        typer.echo(text, nl=False)
    else:
        to.write_text(text, encoding="utf-8")


@app.command()
def doctor() -> None:
    """Try what judging needs on this machine."""
    from grader.doctor import examine  # noqa: PLC0415, see _course

    bad = False
    for found in examine():
        typer.echo(f"{'ok' if found.ok else 'NO':3} {found.name}: {found.what}")
        bad = bad or not found.ok
    if bad:
        raise typer.Exit(1)


@app.command()
def sample(
    workers: Workers = os.cpu_count() or 1,
    keep: Annotated[Optional[Path], typer.Option(help="Leave the graded course there.")] = None,  # noqa: UP045
) -> None:
    """Grade a bundled class of known submissions, and compare the scores with what they must be."""
    from grader.sample import run  # noqa: PLC0415, see _course

    raise typer.Exit(run(workers, keep))


def main() -> None:
    """The console script. Errors a person can mend are one line, without a traceback."""
    warnings.filterwarnings("ignore", module="nbgrader")  # 0.9.6 with a newer SQLAlchemy: much noise, no harm
    try:
        app(standalone_mode=False)
    except LabsError as error:
        errors.print(f"grader: {error}", style="red", markup=False)
        sys.exit(error.status)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        errors.print("grader: interrupted; what was judged is kept, the same command goes on from there")
        sys.exit(130)


if __name__ == "__main__":
    main()
