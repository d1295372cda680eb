"""What every controller is given, and what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from labs.controlplane.client import Client, Informers
from labs.controlplane.client.events import EventRecorder
from labs.controlplane.flags import Flags

from .credentials import ServiceAccounts


class BuildError(Exception):
    """A controller cannot be made; the message is the real one's."""


class Controller(Protocol):
    """One loop. What it needs of the informers it asks for when it is made: they are started after that."""

    async def run(self) -> None:
        """Work for ever; the informers are synced."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class ControllerContext:
    """What controllers share."""

    flags: Flags
    #: Requests of the process itself; those of a controller go by `client_for`.
    client: Client
    informers: Informers
    #: Events; `recorder.named("deployment-controller")` for those of one controller.
    recorder: EventRecorder
    #: Set when each controller is its own service account.
    accounts: ServiceAccounts | None = None
    now: Callable[[], datetime] = _now

    def client_for(self, account: str) -> Client:
        """The client of the controller of that service account."""
        return self.accounts.client(account) if self.accounts else self.client.named(account)


@dataclass(frozen=True)
class Descriptor:
    """A controller that this process has: its name for `--controllers` and in the log, and how it is made."""

    name: str
    #: None when the flags leave the controller nothing to do.
    make: Callable[[ControllerContext], Controller | None]
    #: Runs only when `--controllers` names it.
    disabled_by_default: bool = False
