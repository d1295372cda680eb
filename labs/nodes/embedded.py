"""A node made of namespaces: a bubblewrap sandbox whose pid 1 is `labs.nodes.init`.

The supervisor talks to that pid 1 over a socket pair which only the two of them have; how the sandbox looks
from inside is `labs.nodes.views`. Runtime and audit records come over a second pair, the evidence socket.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

from labs.nodes import namespaces, rootfs, views
from labs.nodes.base import Command
from labs.nodes.channel import Message, PacketChannel, RequestChannel, close_all
from labs.nodes.evidence import Evidence
from labs.nodes.namespaces import IdMap

#: What the evidence socket is for; what else a message from there may claim to be, it is not recorded.
_EVIDENCE_SOURCES = ("runtime", "audit")

HOME = "/root"


class EmbeddedProcess:
    """A command that the node's pid 1 started."""

    def __init__(
        self, control: RequestChannel, number: int, ended: asyncio.Future[int], pid: int, master: int | None
    ) -> None:
        self._control = control
        self._number = number
        self._ended = ended
        self.pid = pid
        self.master = master

    async def wait(self) -> int:
        """Its exit status; `ConnectionError` when the node went away before it."""
        return await asyncio.shield(self._ended)

    async def signal(self, number: int) -> None:
        """Send a signal to its process group or session."""
        self._control.post("signal", id=self._number, signal=number)


class EmbeddedNode:
    """A running node. `on_end` is called once when it is gone, by intent or not."""

    def __init__(
        self,
        name: str,
        control: socket.socket,
        evidence: socket.socket,
        record: Evidence,
        on_end: Callable[[], None],
    ) -> None:
        self.name = name
        self.units: dict[str, str] = {}
        self._record = record
        self._on_end = on_end
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._ready = asyncio.get_running_loop().create_future()
        self._control = RequestChannel(control, self._event, self._gone)
        self._evidence = PacketChannel(evidence, self._heard)
        self._pongs: dict[int, asyncio.Future[None]] = {}

    async def boot(self, id_map: IdMap) -> None:
        """Tell the new node's pid 1 what it needs to know, and wait until it serves."""
        nested, python = id_map.nested(), views.NodePython.own()
        userns = {
            "uid_map": namespaces.map_text(nested.uids),
            "gid_map": namespaces.map_text(nested.gids),
            "setgroups": nested.setgroups,
        }
        self._control.post(
            "boot",
            hostname=self.name,
            python=python.command,
            userns=userns,
            student={"env": rootfs.ENVIRONMENT, "cwd": HOME},
            # the kubelet resolves every path of the node below this directory (`labs.kubelet.hostfs`)
            trusted={"env": {**python.environment, "HOST_ROOT": "/node"}},
        )
        await self._ready

    async def run(self, command: Command, descriptors: Sequence[int]) -> EmbeddedProcess:
        """Start `command`; see `labs.nodes.base.Node`."""
        terminal = command.terminal
        number = self._control.number()
        ended = self._ends[number] = asyncio.get_running_loop().create_future()
        try:
            reply, received = await self._control.request(
                "exec",
                descriptors,
                number=number,
                argv=list(command.argv),
                env=dict(command.environment),
                cwd=command.directory,
                tty=terminal and {"rows": terminal.rows, "cols": terminal.columns, "term": terminal.type},
                view=command.view,
            )
        except OSError:
            del self._ends[number]
            raise
        except asyncio.CancelledError:  # it may have been started all the same, and nobody is left to end it
            self._control.post("signal", id=number, signal=signal.SIGHUP)
            raise
        master = received.pop(0) if terminal and received else None
        close_all(received)
        return EmbeddedProcess(self._control, number, ended, reply["pid"], master)

    async def unit(self, verb: str, unit: str) -> dict[str, Any]:
        """`start`, `stop`, `restart` or ask the `status` of a systemd unit."""
        reply, _ = await self._control.request("unit", verb=verb, unit=unit)
        return reply

    async def sync(self) -> None:
        """Return when all that the units have logged so far is in the evidence."""
        await self._control.request("sync")

    async def ping_runtime(self, number: int) -> None:
        """Return when the runtime has answered on the evidence socket: what it sent before is recorded."""
        pong = self._pongs[number] = asyncio.get_running_loop().create_future()
        try:
            self._evidence.send({"ping": number})
            await pong
        finally:
            del self._pongs[number]

    def drain_evidence(self) -> None:
        """Record whatever has been sent by now."""
        self._evidence.drain()

    def close(self) -> None:
        """Let go of the node's sockets."""
        self._control.close()
        self._evidence.close()

    def _event(self, message: Message) -> None:
        match message:
            case {"event": "ready"}:
                if not self._ready.done():
                    self._ready.set_result(None)
            case {"event": "journal", **entry}:
                self._record.append("journal", self.name, **entry)
            case {"event": "unit", "unit": unit, "state": state}:
                self.units[unit] = state
            case {"id": number, "exit": status} if number in self._ends:
                self._ends.pop(number).set_result(status)

    def _heard(self, message: Message, descriptors: list[int]) -> None:
        close_all(descriptors)
        pong = message.get("pong")
        if pong is not None:
            if (waiting := self._pongs.get(pong)) is not None and not waiting.done():
                waiting.set_result(None)
        elif (source := message.pop("source", None)) in _EVIDENCE_SOURCES:
            self._record.append(source, self.name, **message)

    def _gone(self) -> None:
        error = ConnectionResetError(f"node '{self.name}' went down")
        for waiting in (self._ready, *self._ends.values()):
            if not waiting.done():
                waiting.set_exception(error)
        self._ends.clear()
        self._on_end()
