"""A node that is a container: commands on it are Docker's `exec`, its units are systemd's.

There is one view of it only: whoever is root in the container can change anything there, the kubelet, too.
"""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios
import tty
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from labs.nodes import rootfs
from labs.nodes.base import Command, Terminal, View
from labs.nodes.channel import close_all
from labs.nodes.kind import threads
from labs.nodes.kind.daemon import explained
from labs.nodes.kind.machine import Machine
from labs.nodes.kind.process import Docked, KindProcess, started

HOME = "/root"
#: What the judge's own commands have: nothing that a student's login would have added.
_PLAIN = {name: rootfs.ENVIRONMENT[name] for name in ("PATH", "HOME", "LANG", "KUBECONFIG")}
_ENVIRONMENTS = {View.STUDENT: rootfs.ENVIRONMENT, View.TRUSTED: _PLAIN}
#: What is asked of systemd for a unit's status, by the names that it is answered with.
_PROPERTIES = {
    "name": "Id",
    "description": "Description",
    "load": "LoadState",
    "active": "ActiveState",
    "sub": "SubState",
    "result": "Result",
    "pid": "MainPID",
}


class KindNode:
    """A running node container."""

    def __init__(self, machine: Machine, sync: Callable[[], Awaitable[None]]) -> None:
        """`sync` returns when all that the node's journal holds is in the evidence."""
        self.name = machine.name
        self._machine = machine
        self._sync = sync

    async def run(self, command: Command, descriptors: Sequence[int]) -> KindProcess:
        """Start `command`; see `labs.nodes.base.Node`."""
        master: int | None = None
        if command.terminal is not None:
            master, slave = _open_terminal(command.terminal)
            ends = [slave, os.dup(slave), os.dup(slave)]
        else:
            ends = [os.dup(descriptor) for descriptor in descriptors]
        starting = asyncio.create_task(threads.blocking(self._start, command))
        try:
            docked = await asyncio.shield(starting)
        except BaseException:
            close_all(ends if master is None else [*ends, master])
            # nobody waits any more, but it may be started all the same
            starting.add_done_callback(_hang_up)
            raise
        return KindProcess(docked, ends, master)

    def _start(self, command: Command) -> Docked:
        api, container = self._machine.client.api, self._machine.container.id
        environment = {**_ENVIRONMENTS[command.view], **command.environment}
        if command.terminal is not None:
            environment["TERM"] = command.terminal.type
        with explained("running a command on the node"):
            created = api.exec_create(
                container,
                started(command.argv, command.terminal),
                stdin=True,
                tty=command.terminal is not None,
                environment=environment,
                workdir=command.directory or HOME,
            )
            return Docked(api, container, created["Id"], terminal=command.terminal is not None)

    async def unit(self, verb: str, unit: str) -> dict[str, Any]:
        """`start`, `stop`, `restart` a systemd unit, or ask its `status`."""
        if verb != "status":
            await self._said(["systemctl", verb, unit])
        said = await self._said(["systemctl", "show", f"--property={','.join(_PROPERTIES.values())}", unit])
        values = dict(line.split("=", 1) for line in said.splitlines())
        return {"unit": {name: values.get(key, "") for name, key in _PROPERTIES.items()}}

    async def sync(self) -> None:
        """Return when all that its units have logged so far is in the evidence."""
        await self._sync()

    async def _said(self, argv: Sequence[str]) -> str:
        """What a command of ours prints; `OSError` with its words when it fails."""

        def run() -> tuple[int, bytes]:
            with explained("running a command on the node"):
                done = self._machine.container.exec_run(list(argv))
            return done.exit_code, done.output

        status, output = await threads.blocking(run)
        text = output.decode(errors="replace")
        if status != 0:
            raise OSError(" ".join(text.split()) or f"{' '.join(argv)} ended with {status}")
        return text


def _open_terminal(size: Terminal) -> tuple[int, int]:
    """A terminal that only carries: what it would do to keys and lines, the one on the node does."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))
    # ours alone, so it may: a full one that says it takes something may take less than is written
    os.set_blocking(slave, False)
    return master, slave


def _hang_up(starting: asyncio.Task[Docked]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        threads.start(starting.result().send, signal.SIGHUP, name="hang up")
