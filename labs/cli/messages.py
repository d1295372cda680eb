"""What commands say on stderr: progress while they wait, and one line when they are done.

rich is imported at the first word, not with this module: by then `labs up` has its supervisor started, and
the one needs as long to import as the other to come up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


@cache
def console() -> Console:
    """The console of stderr; stdout is for what was asked for."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One line."""
    console().print(text, markup=False, soft_wrap=True)


@contextmanager
def progress(subject: str) -> Iterator[Callable[[str], None]]:
    """A function that tells what `subject` is waiting for; the line is gone at the end of the block."""
    with ExitStack() as shown:
        spinners: list[Status] = []

        def tell(what: str) -> None:
            line = f"{subject}: {what} …"
            if not spinners:
                spinners.append(shown.enter_context(console().status(line)))
            spinners[0].update(line)

        yield tell
