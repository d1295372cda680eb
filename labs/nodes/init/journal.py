"""The node's journal: what units and the unit manager say, as JSON lines for `journalctl` and as events.

The file stands in the node's own /var/log/journal, where the student may do anything to it; what counts
as evidence is the event that goes to the supervisor.
"""

from __future__ import annotations

import json
import os
import time

from labs.nodes.init.files import NodeFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DIRECTORY = "var/log/journal"
NAME = "system.jsonl"
#: The file before the current one: two are kept.
OLD_NAME = "system@old.jsonl"
SIZE_MAX = 8 * 1024 * 1024

#: syslog's priorities, as far as they are used.
ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6

#: journald's LineMax: what is longer becomes several entries.
LINE_MAX = 48 * 1024
#: How much of one line fits into a message to the supervisor, whatever characters it is made of.
_EVENT_MAX = 20 * 1024


class Journal:
    """Appends entries. A full disk, or a directory taken away by the student, costs entries, nothing else."""

    def __init__(self, files: NodeFiles, hostname: str, send: Callable[[dict[str, Any]], object]) -> None:
        self._files = files
        self._send = send
        self._fd: int | None = None
        self._host = hostname
        self._boot = os.urandom(16).hex()

    def write(
        self, unit: str, identifier: str, pid: int, message: str, priority: int = INFO, **fields: str
    ) -> None:
        """One entry, under the field names of systemd's journal."""
        now = time.time_ns()
        event = {"event": "journal", "unit": unit, "identifier": identifier, "pid": pid}
        self._send({**event, "message": message[:_EVENT_MAX], "time": _rfc3339(now)})
        entry = {
            "__REALTIME_TIMESTAMP": str(now // 1000),
            "__MONOTONIC_TIMESTAMP": str(time.monotonic_ns() // 1000),
            "_BOOT_ID": self._boot,
            "PRIORITY": str(priority),
            "SYSLOG_IDENTIFIER": identifier,
            "_PID": str(pid),
            "_HOSTNAME": self._host,
            **({"_SYSTEMD_UNIT": "init.scope", "UNIT": unit} if pid == 1 else {"_SYSTEMD_UNIT": unit}),
            **fields,
            "MESSAGE": message,
        }
        self._append(json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def manager(self, unit: str, message: str, priority: int = INFO) -> None:
        """What process 1 itself has to say about a unit."""
        self.write(unit, "systemd", 1, message, priority)

    def _append(self, line: bytes) -> None:
        try:
            os.write(self._open(), line)
        except OSError:  # no space, no directory: the supervisor has the entry all the same
            self._close()

    def _open(self) -> int:
        if self._fd is not None:
            status = os.fstat(self._fd)
            if status.st_nlink and status.st_size < SIZE_MAX:
                return self._fd
            self._close()
            if status.st_nlink:
                self._files.rename(DIRECTORY, NAME, OLD_NAME)
        self._fd = self._files.append(f"{DIRECTORY}/{NAME}", parents=True)
        return self._fd

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Lines:
    """Cuts what a unit writes into lines, and into pieces where a line has no end in sight."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) >= LINE_MAX:
            lines.append(self._rest)
            self._rest = b""
        pieces = [line[at : at + LINE_MAX] for line in lines for at in range(0, len(line) or 1, LINE_MAX)]
        return [piece.decode("utf-8", "replace") for piece in pieces if piece]

    def rest(self) -> list[str]:
        """What stands there without an end of line when the unit has gone."""
        line, self._rest = self._rest, b""
        return [line.decode("utf-8", "replace")] if line else []


def _rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1000:06d}Z"
