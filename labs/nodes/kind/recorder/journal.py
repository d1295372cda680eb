"""journald as a source: what the kubelet and containerd log, and what systemd says about them.

`journalctl --follow` hears of new entries a quarter of a second late (journald saves its disk so). Whoever
cannot wait has journald write down all it got, and reads the rest at once.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from labs.nodes.kind.recorder.output import rfc3339, tell

UNITS = ("kubelet.service", "containerd.service")
#: As the embedded node has it: no line of the evidence is longer.
_LONGEST = 100_000
_FIELDS = ("MESSAGE", "SYSLOG_IDENTIFIER", "_PID", "_SYSTEMD_UNIT", "UNIT")


#: A cursor's file set and the entry's number in it.
_POSITION = re.compile(r"s=(?P<set>[0-9a-f]+);i=(?P<number>[0-9a-f]+);")


def command(cursor: str | None, *options: str) -> list[str]:
    """What prints every entry after the one at `cursor`."""
    argv = ["journalctl", *options, "--all", "--quiet", "--output=json"]
    argv += [f"--output-fields={','.join(_FIELDS)}"]
    argv += [f"--after-cursor={cursor}"] if cursor else []
    for unit in UNITS:
        argv += [f"_SYSTEMD_UNIT={unit}", "+", f"UNIT={unit}", "_PID=1", "+"]
    return argv[:-1]


def is_after(cursor: str, other: str | None) -> bool:
    """Whether an entry comes after another; true when one is of a journal that was begun anew."""
    place, before = _POSITION.match(cursor), _POSITION.match(other or "")
    if place is None or before is None or place["set"] != before["set"]:
        return True
    return int(place["number"], 16) > int(before["number"], 16)


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
    """Tells of each entry, once."""

    def __init__(self, cursor: str | None) -> None:
        """`cursor` is that of the last entry that the evidence holds."""
        self._cursor = cursor

    async def run(self) -> None:
        """Follow until cancelled; `OSError` when journalctl gives up."""
        follower = await asyncio.create_subprocess_exec(
            *command(self._cursor, "--follow", "--no-tail"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
        )
        assert follower.stdout
        try:
            async for line in follower.stdout:
                self._take(line)
            raise OSError(f"journalctl ended with status {await follower.wait()}")
        finally:
            if follower.returncode is None:
                follower.kill()
                await follower.wait()

    async def settle(self) -> None:
        """Return when all that has been logged by now has been told."""
        await _said("journalctl", "--sync")
        for line in (await _said(*command(self._cursor))).splitlines():
            self._take(line)

    def _take(self, line: bytes) -> None:
        entry = record(json.loads(line))
        if is_after(entry["cursor"], self._cursor):
            self._cursor = entry["cursor"]
            tell(**entry)


async def _said(*argv: str) -> bytes:
    """What a command prints; `OSError` when it fails."""
    done = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    said, _ = await done.communicate()
    if done.returncode != 0:
        raise OSError(f"{argv[0]} ended with status {done.returncode}")
    return said
