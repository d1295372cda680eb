"""journald as a source: what the kubelet and containerd log, and what systemd says about them."""

import asyncio
import json
import secrets
import socket
from collections.abc import Mapping
from typing import Any

from labs.nodes.kind.recorder.output import rfc3339, tell

UNITS = ("kubelet.service", "containerd.service")
_MARKER = "cks-labs-recorder"
_SOCKET = "/run/systemd/journal/socket"
#: As the embedded node has it: no line of the evidence is longer.
_LONGEST = 100_000
_FIELDS = ("MESSAGE", "SYSLOG_IDENTIFIER", "_PID", "_SYSTEMD_UNIT", "UNIT")


def command(cursor: str | None) -> list[str]:
    """What prints every entry after the one at `cursor`, and then each new one."""
    argv = ["journalctl", "--follow", "--no-tail", "--all", "--quiet", "--output=json"]
    argv += [f"--output-fields={','.join(_FIELDS)}"]
    argv += [f"--after-cursor={cursor}"] if cursor else []
    for unit in UNITS:
        argv += [f"_SYSTEMD_UNIT={unit}", "+", f"UNIT={unit}", "_PID=1", "+"]
    return [*argv, f"SYSLOG_IDENTIFIER={_MARKER}"]


def record(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the journal in the shape of the evidence; its `cursor` says where to go on after it."""
    pid = entry.get("_PID", "0")
    return {
        "source": "journal",
        "unit": entry.get("UNIT") if pid == "1" else entry.get("_SYSTEMD_UNIT"),
        "identifier": _text(entry.get("SYSLOG_IDENTIFIER")),
        "pid": int(pid),
        "message": _text(entry.get("MESSAGE"))[:_LONGEST],
        "time": rfc3339(int(entry["__REALTIME_TIMESTAMP"]) / 1e6),
        "cursor": entry["__CURSOR"],
    }


def _text(value: str | list[Any] | None) -> str:
    """A field's value: bytes that are no UTF-8 come as a list of numbers, a repeated field as a list."""
    if not isinstance(value, list):
        return value or ""
    if all(isinstance(part, int) for part in value):
        return bytes(value).decode(errors="replace")
    return _text(value[0])


class Journal:
    """Tells of each entry."""

    def __init__(self, cursor: str | None) -> None:
        """`cursor` is that of the last entry that the evidence holds."""
        self._cursor = cursor
        self._markers: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Follow until cancelled; `OSError` when journalctl gives up."""
        follower = await asyncio.create_subprocess_exec(
            *command(self._cursor),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
        )
        assert follower.stdout
        try:
            async for line in follower.stdout:
                self._heard(json.loads(line))
            raise OSError(f"journalctl ended with status {await follower.wait()}")
        finally:
            if follower.returncode is None:
                follower.kill()
                await follower.wait()

    async def settle(self) -> None:
        """Return when all that has been logged by now has been told."""
        # journald reads from many sockets: only when it says that it has read them all, a marker comes last
        sync = await asyncio.create_subprocess_exec("journalctl", "--sync")
        if await sync.wait() != 0:
            raise OSError("journald does not answer")
        marker = secrets.token_hex(8)
        told = self._markers[marker] = asyncio.Event()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
                text = f"MESSAGE={marker}\nSYSLOG_IDENTIFIER={_MARKER}\nPRIORITY=7\n"
                journald.sendto(text.encode(), _SOCKET)
            await told.wait()
        finally:
            del self._markers[marker]

    def _heard(self, entry: Mapping[str, Any]) -> None:
        if entry.get("SYSLOG_IDENTIFIER") == _MARKER:
            if (told := self._markers.get(_text(entry.get("MESSAGE")))) is not None:
                told.set()
            return
        tell(**record(entry))
