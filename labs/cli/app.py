"""The commands of `labs` that may take their time: clusters up and down, exercises, the doctor.

Statuses: 0 done, 1 a check says no or something failed, 2 the call is wrong.
"""

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from labs.cli import exercise, node_image, shell
from labs.cli.messages import progress, say
from labs.cluster import Cluster
from labs.errors import UsageError
from labs.nodes.state import DEFAULT_NAME

app = typer.Typer(
    name="labs",
    help="Clusters to learn static pods on: real paths, a real kubelet, Docker or no Docker.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(exercise.app, name="exercise")
app.add_typer(node_image.app, name="node-image")

#: What is raised for a wrong call. typer keeps its copy of click to itself, but for classes derived from it.
CallError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="The cluster's name.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def run(arguments: Sequence[str]) -> int:
    """Run the command line `arguments`; return the exit status."""
    try:
        return app(list(arguments) or ["--help"], prog_name="labs", standalone_mode=False) or 0
    except CallError as error:
        command = error.ctx.command_path if error.ctx else "labs"
        raise UsageError(f"{error.format_message().rstrip('.')}: try '{command} --help'") from None
    except typer.Abort:
        raise KeyboardInterrupt from None


@app.command()
def up(
    name: Name = DEFAULT_NAME,
    backend: Annotated[
        str | None, typer.Option(help="What nodes are made of (default: $CKS_LABS_BACKEND or embedded).")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Which kubelet: bundled, or the node's own kubelet (default: bundled).")
    ] = None,
    control_plane: Annotated[
        str | None,
        typer.Option(help="Whose control plane: bundled or real (default: real with --engine kubelet)."),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Nodes beside the control plane's, each with its manifests directory.")
    ] = 0,
    bare: Annotated[bool, typer.Option("--bare", help="Node and kubelet only, no manifests.")] = False,
    as_json: Json = False,
) -> None:
    """Make a cluster, or resume one with its data."""
    with _interruptible(), progress(name) as tell:
        cluster = Cluster.up(
            name,
            backend=backend,
            engine=engine,
            control_plane=control_plane,
            workers=workers,
            bare=bare,
            progress=tell,
        )
    _say_up(cluster, as_json=as_json)


def _say_up(cluster: Cluster, *, as_json: bool) -> None:
    if cluster.seconds:
        say(f"Cluster '{cluster.name}' is up after {cluster.seconds:.1f} s: labs node -c {cluster.name}")
    else:
        say(f"Cluster '{cluster.name}' is running already: labs node -c {cluster.name}")
    if as_json:
        document = cluster.summary() | {"kubeconfig": str(cluster.kubeconfig), "seconds": cluster.seconds}
        del document["running"]
        print(json.dumps(document))


@app.command()
def down(
    name: Annotated[str | None, typer.Argument(help="The cluster's name (default: cks).")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every cluster, and what killed ones have left.")
    ] = False,
) -> None:
    """Stop a cluster and remove all there is of it."""
    if every and name is not None:
        raise UsageError("give a NAME or --all, not both")
    clusters = Cluster.all() if every else [Cluster.find(name or DEFAULT_NAME)]
    for cluster in clusters:
        with progress(cluster.name) as tell:
            tell("taking it down")
            cluster.down()
        left = cluster.spec.attached
        say(f"Cluster '{cluster.name}' is {'left to kind again' if left else 'gone'}.")
    if not clusters:
        say("There are no clusters.")


@app.command("list")
def list_clusters(as_json: Json = False) -> None:
    """Show all clusters, running and stopped."""
    summaries = [cluster.summary() for cluster in Cluster.all()]
    if as_json:
        print(json.dumps(summaries))
    elif summaries:
        print(_columns(summaries))
    else:
        say("There are no clusters: 'labs up' makes one.")


@app.command()
def doctor() -> None:
    """Say what this machine gives, what it lacks, and how to mend it."""
    from labs.cli.doctor import report

    raise typer.Exit(report())


@app.command()
def attach(
    name: Annotated[str, typer.Argument(help="The name of a kind cluster.")], as_json: Json = False
) -> None:
    """Use a cluster that the kind CLI made; 'labs down' lets go of it again."""
    with _interruptible(), progress(name) as tell:
        cluster = Cluster.attach(name, progress=tell)
    _say_up(cluster, as_json=as_json)


def _shell_command(name: str, summary: str) -> None:
    """Register a command of `labs.cli.shell`, which is taken before typer is, so that --help shows it."""

    @app.command(
        name,
        help=f"{summary}\n\n{shell.COMMANDS[name]}",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def command(context: typer.Context) -> None:
        raise typer.Exit(shell.run(name, context.args))


_shell_command("node", "Run a command on a node, or a login shell.")
_shell_command("kubectl", "Run kubectl as the cluster's administrator.")
_shell_command(
    "kubeconfig", "Print the path of a kubeconfig that works on this machine, or merge it into yours."
)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the start of a cluster once; what then has to be undone is not interrupted."""

    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _columns(summaries: list[dict[str, Any]]) -> str:
    """A table as kubectl prints them."""
    rows = [["NAME", "STATUS", "BACKEND", "ENGINE", "NODES"]]
    for summary in summaries:
        status = "Running" if summary["running"] else "Stopped"
        rows.append(
            [summary["name"], status, summary["backend"], summary["engine"], ",".join(summary["nodes"])]
        )
    widths = [max(map(len, column)) + 3 for column in zip(*rows, strict=True)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
