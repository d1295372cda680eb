"""`labs node-image`: the image that kind nodes are made from."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from labs.cli.messages import say
from labs.errors import UsageError

app = typer.Typer(name="node-image", help="The image that kind nodes are made from.", add_completion=False)


@app.callback()
def commands() -> None:
    """Keeps `build` a word of its own."""


@app.command()
def build(
    from_debian: Annotated[
        bool, typer.Option("--from-debian", help="Over Debian's packages, not over kind's image: needs root.")
    ] = False,
    real: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Put the real kubelet and control plane in: DIR has the programs."),
    ] = None,
) -> None:
    """Build the node image, or as much of it as has changed."""
    if real and not from_debian:
        raise UsageError("--real goes with --from-debian: kind's image has the real programs")
    from labs.nodes import image
    from labs.nodes.image.build import build as build_image
    from labs.nodes.kind.daemon import connect

    client = connect()
    with _progress() as tell:
        built = image.Image.of(build_image(client, tell, debian=from_debian, real=real))
    components = "real and bundled components" if built.real else "bundled components"
    say(f"{built.tag} is ready, with {components}, Kubernetes {built.kubernetes}.")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A bar that moves through each step; where nobody watches, a line for each step."""
    if not sys.stderr.isatty():
        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("beginning", total=None)

        def tell(what: str) -> None:
            # a step that can be measured says so: `pulling it: 45 of 420 MB`
            measured = re.search(r"(\d+) of (\d+)", what)
            done, total = map(int, measured.groups()) if measured else (0, None)
            bar.update(task, description=what, completed=done, total=total)

        yield tell
