"""What commands say on stderr: progress while they wait, and one line when they are done.

Progress is for a person who watches: where stderr is no terminal, there is none, and rich is not imported.
Where it is one, rich is imported at the first word, when `labs up` has its supervisor started: the one needs
as long to import as the other to come up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status


def say(text: str) -> None:
    """One line; stdout is for what was asked for."""
    print(text, file=sys.stderr)


@contextmanager
def progress(subject: str) -> Iterator[Callable[[str], None]]:
    """A function that tells what `subject` is waiting for; the line is gone at the end of the block."""
    with ExitStack() as shown:
        spinners: list[Status] = []

        def tell(what: str) -> None:
            if not spinners:
                from rich.console import Console

                spinners.append(shown.enter_context(Console(stderr=True, highlight=False).status("")))
            spinners[0].update(f"{subject}: {what} …")

        yield tell if sys.stderr.isatty() else _untold


def _untold(_: str) -> None:
    pass
