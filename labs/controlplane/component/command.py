"""The command of a component: flags, `--help`, `--version`, the exit status and words of a failure."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from labs.controlplane import klog
from labs.controlplane.client import KubeconfigError
from labs.controlplane.flags import FlagError, Flags, FlagSet, HelpWanted
from labs.controlplane.serverflags import (
    ServerFlagError,
    check_gates,
    logging_faults,
    metrics_faults,
    version_faults,
)
from labs.controlplane.version import GIT_VERSION
from labs.golang.errors import aggregate

from .serving import StartError

Run = Callable[[Flags], Coroutine[Any, Any, int]]
#: All that the flags of one component have wrong, beside what those of every component can have.
Validate = Callable[[Flags], Iterable[str]]


class Panic(Exception):
    """Something that the real component does not survive: a Go panic, status 2."""


def execute(flag_set: FlagSet, validate: Validate, run: Run, arguments: Sequence[str]) -> int:
    """Run a component until it ends; its exit status. `run` may raise `StartError` and `Panic`."""
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
    if faults := list(logging_faults(flags)):
        _tell_of_logging(flag_set.program, aggregate(faults))
        return 1
    try:
        check_gates(flags.text("feature-gates"))
        _refuse(version_faults(flags))
        _refuse([*validate(flags), *_serving_faults(flags), *metrics_faults(flags)])
        return asyncio.run(run(flags))
    except (StartError, ServerFlagError, KubeconfigError) as error:
        klog.error("run.go:72", "command failed", err=error)
        return 1
    except Panic as panic:
        print(f"panic: {panic} [recovered, repanicked]", file=sys.stderr)
        return 2


def _refuse(faults: Iterable[str]) -> None:
    if found := list(faults):
        raise StartError(aggregate(found))


def _tell_of_logging(program: str, faults: str) -> None:
    """The scheduler's own command says this without a log."""
    if program == "kube-scheduler":
        print(faults, file=sys.stderr)
    else:
        klog.error("run.go:72", "command failed", err=faults)


def _serving_faults(flags: Flags) -> Iterable[str]:
    port = flags.number("secure-port")
    if port < 0:
        yield f"--secure-port {port} must be between 0 and 65535, inclusive. 0 for turning off secure port"
    if port > 65535:
        rule = "must be between 1 and 65535, inclusive. It cannot be turned off with 0"
        yield f"--secure-port {port} {rule}"
