"""What every kind of node offers to the supervisor of its cluster, whatever the machine is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class View(StrEnum):
    """Whose eyes a command on the node runs with."""

    STUDENT = "student"
    """Root of the node, in a user namespace of its own: no power over kubelet, runtime and evidence."""
    TRUSTED = "trusted"
    """Beside kubelet and runtime, where nothing a student wrote is executed."""


@dataclass(frozen=True)
class Terminal:
    """A command wants a terminal of this size and type."""

    rows: int
    columns: int
    type: str


@dataclass(frozen=True)
class Command:
    """What to run on a node; `environment` is laid over the view's own."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: str | None
    terminal: Terminal | None
    view: View


class Process(Protocol):
    """A command that was started on a node."""

    @property
    def pid(self) -> int:
        """Its number on the node."""

    @property
    def master(self) -> int | None:
        """The terminal's file descriptor, owned by who asked for it; None without one."""

    async def wait(self) -> int:
        """Its exit status as a shell gives it: 128 and the signal's number when a signal ended it."""

    async def signal(self, number: int) -> None:
        """Send a signal to it and what it started (its process group, or its terminal's session)."""


class Node(Protocol):
    """A machine that a student can get a shell on."""

    @property
    def name(self) -> str:
        """Its host name, which is its name in the API."""

    async def run(self, command: Command, descriptors: Sequence[int]) -> Process:
        """Start `command` with `descriptors` as stdin, stdout, stderr (none when it has a terminal)."""

    async def unit(self, verb: str, unit: str) -> dict[str, Any]:
        """`start`, `stop`, `restart` a systemd unit, or ask its `status`."""

    async def sync(self) -> None:
        """Return when all that its units have logged so far is in the evidence."""
