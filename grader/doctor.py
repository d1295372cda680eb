"""What judging needs of this machine, tried and not guessed: a sandbox with a kernel, and a node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grader.errors import TroubleError
from grader.kernel import End, Kernel
from grader.limits import Limits
from grader.sandbox import box
from labs.nodes.doctor import needs


@dataclass(frozen=True)
class Finding:
    """One need, and how it is met."""

    name: str
    ok: bool
    what: str


def examine() -> Iterator[Finding]:
    """Try each need."""
    try:
        with box({}, None, "none", Limits()) as sandbox, Kernel(sandbox, Limits()) as kernel:
            ran = kernel.execute("import labs")
            said = ran.outputs[-1].get("evalue", "") if ran.outputs else ""
            yield Finding("sandboxed kernel", ran.end is End.OK, said or "it starts and runs a cell")
    except TroubleError as error:
        yield Finding("sandboxed kernel", False, str(error))
    for need in needs():
        if need.required or not need.ok:
            mend = "" if need.ok else f"; {need.mend}"
            yield Finding(need.name, need.ok or not need.required, f"{need.found}{mend}")
