"""`labs exercise`: the exercises without a notebook. The judge is imported by the commands that need it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from labs.cli.messages import progress, say
from labs.cluster import Cluster
from labs.nodes.state import DEFAULT_NAME, NotRunningError

app = typer.Typer(help="Start, check and solve exercises.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="An exercise, as 'labs exercise list' names it.")]
ClusterName = Annotated[str, typer.Option("-c", "--cluster", metavar="NAME", help="The cluster's name.")]

MARKS = {True: "[green]✔[/]", False: "[red]✘[/]", None: "[yellow]?[/]"}


def running(name: str) -> Cluster:
    """The cluster `name`, which must run: an exercise is done on its nodes."""
    cluster = Cluster.find(name)
    if not cluster.running:
        raise NotRunningError(name)
    return cluster


@app.command("list")
def list_exercises() -> None:
    """Show all exercises."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from labs import judge  # noqa: PLC0415

    table = Table("ID", "POINTS", "MINUTES", "TITLE", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for exercise in judge.catalogue():
        table.add_row(exercise.id, str(exercise.points), str(exercise.minutes), exercise.title)
    Console(highlight=False).print(table)


@app.command()
def start(exercise: Id, cluster: ClusterName = DEFAULT_NAME) -> None:
    """Set an exercise up: from here on, what happens on the cluster is its evidence."""
    from labs import judge  # noqa: PLC0415

    judge.start(running(cluster), exercise)
    say(f"'{exercise}' has begun on cluster '{cluster}'.")


@app.command()
def check(
    exercise: Id,
    cluster: ClusterName = DEFAULT_NAME,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Judge an exercise; the status is 1 unless it has full points."""
    where = running(cluster)
    from labs import judge  # noqa: PLC0415

    with progress(exercise) as tell:
        tell("looking at the evidence")
        verdict = judge.check(where, exercise).to_json()
    if as_json:
        print(json.dumps(verdict))
    else:
        _print_verdict(verdict)
    raise typer.Exit(0 if verdict["points"] == verdict["max"] else 1)


@app.command()
def solve(exercise: Id, cluster: ClusterName = DEFAULT_NAME) -> None:
    """Do what the exercise asks for, and answer its questions."""
    from labs import judge  # noqa: PLC0415

    judge.solve(running(cluster), exercise)
    say(f"'{exercise}' is solved on cluster '{cluster}': labs exercise check {exercise}")


@app.command()
def reset(exercise: Id, cluster: ClusterName = DEFAULT_NAME) -> None:
    """Put the cluster back to where the exercise begins."""
    from labs import judge  # noqa: PLC0415

    judge.reset(running(cluster), exercise)
    say(f"'{exercise}' is as new on cluster '{cluster}'.")


def _print_verdict(verdict: Mapping[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415

    output = Console(highlight=False)
    for criterion in verdict["criteria"]:
        earned = f"({criterion['points']}/{criterion['max']})"
        output.print(MARKS[criterion["passed"]], escape(criterion["rationale"]), earned, soft_wrap=True)
        if criterion["passed"] is not True:
            for label in ("expected", "seen", "hint"):
                if criterion.get(label):
                    output.print(f"    {label}: {criterion[label]}", markup=False, soft_wrap=True)
    output.print(f"{verdict['exercise']}: {verdict['points']} of {verdict['max']} points")
