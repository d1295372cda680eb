"""`labs exercise`: the exercises without a notebook. The judge is imported by the commands that need it."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.cli.messages import progress, say
from labs.cluster import Cluster
from labs.nodes.spec import EMBEDDED
from labs.nodes.state import DEFAULT_NAME, NotRunningError

if TYPE_CHECKING:
    from labs.judge import Wait

app = typer.Typer(help="Start, check and solve exercises.")
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
    from rich.console import Console
    from rich.table import Table

    from labs import judge

    table = Table("ID", "POINTS", "MINUTES", "TITLE", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for exercise in judge.catalogue():
        table.add_row(exercise.id, str(exercise.points), str(exercise.minutes), exercise.title)
    Console(highlight=False).print(table)


@app.command()
def start(exercise: Id, cluster: ClusterName = DEFAULT_NAME) -> None:
    """Set an exercise up: from here on, what happens on the cluster is its evidence."""
    from labs import judge

    where = running(cluster)
    with progress(exercise) as tell:
        judge.start(where, exercise, progress=tell)
    say(f"'{exercise}' has begun on cluster '{cluster}'.")


@app.command()
def check(
    exercise: Id,
    cluster: ClusterName = DEFAULT_NAME,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Judge an exercise; the status is 1 unless it has full points."""
    from labs import judge

    where = running(cluster)
    with progress(exercise) as tell:
        tell("looking at the evidence")
        verdict = judge.check(where, exercise, on_wait=_teller(tell)).to_json()
    if as_json:
        print(json.dumps(verdict))
    else:
        _print_verdict(verdict)
    raise typer.Exit(0 if verdict["points"] == verdict["max"] else 1)


@app.command()
def solve(exercise: Id, cluster: ClusterName = DEFAULT_NAME) -> None:
    """Start an exercise, do what it asks for, answer its questions, and have it judged."""
    from labs import judge

    where = running(cluster)
    with progress(exercise) as tell:
        verdict = judge.solve(where, exercise, progress=tell, on_wait=_teller(tell)).to_json()
    _print_verdict(verdict)
    raise typer.Exit(0 if verdict["points"] == verdict["max"] else 1)


@app.command()
def reset(exercise: Id, cluster: ClusterName = DEFAULT_NAME) -> None:
    """Give the cluster back as it was when it was new: on a kind node, without the exercise's pod."""
    from labs import judge

    where, wanted = running(cluster), judge.load(exercise)
    with progress(exercise) as tell:
        if where.backend == EMBEDDED:
            where.renew(progress=tell)
        else:
            judge.reset(where, wanted.id, progress=tell)
    say(f"'{exercise}' has left cluster '{cluster}': labs exercise start {exercise}")


def _teller(tell: Callable[[str], None]) -> Callable[["Wait", float], None]:
    """Tells what the judge waits for, and how long at most."""
    return lambda wait, left: tell(f"waiting for {wait.what}, at most {left:.0f} s")


def _print_verdict(verdict: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    output = Console(highlight=False)
    for criterion in verdict["criteria"]:
        earned = f"({criterion['points']}/{criterion['max']})"
        output.print(MARKS[criterion["passed"]], escape(criterion["rationale"]), earned, soft_wrap=True)
        if criterion["passed"] is not True:
            for label in ("expected", "seen", "hint"):
                if criterion.get(label):
                    output.print(f"    {label}: {criterion[label]}", markup=False, soft_wrap=True)
    output.print(f"{verdict['exercise']}: {verdict['points']} of {verdict['max']} points")
