"""The command of a component: flags, `--help`, `--version`, the exit status and words of a failure."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from labs.controlplane import klog
from labs.controlplane.client import KubeconfigError
from labs.controlplane.flags import FlagError, Flags, FlagSet, HelpWanted
from labs.controlplane.version import GIT_VERSION

from .serving import StartError

Run = Callable[[Flags], Coroutine[Any, Any, int]]


def execute(flag_set: FlagSet, validate: Callable[[Flags], None], run: Run, arguments: Sequence[str]) -> int:
    """Run a component until it ends; its exit status. `validate` and `run` may raise `StartError`."""
    try:
        flags = flag_set.parse(arguments)
    except HelpWanted:
        print(flag_set.usage, end="")
        return 0
    except FlagError as error:
        print(f"{flag_set.usage_on_error()}\nError: {error}", file=sys.stderr)
        return 1
    if flags.text("version") in ("true", "raw"):
        print(f"Kubernetes {GIT_VERSION}")
        return 0
    try:
        faults = _serving_faults(flags)
        if faults:
            raise StartError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
        validate(flags)
        return asyncio.run(run(flags))
    except (StartError, KubeconfigError) as error:
        klog.error("run.go:72", "command failed", err=error)
        return 1


def _serving_faults(flags: Flags) -> list[str]:
    port = flags.number("secure-port")
    if port < 0:
        return [f"--secure-port {port} must be between 0 and 65535, inclusive. 0 for turning off secure port"]
    if port > 65535:
        rule = "must be between 1 and 65535, inclusive. It cannot be turned off with 0"
        return [f"--secure-port {port} {rule}"]
    return []
