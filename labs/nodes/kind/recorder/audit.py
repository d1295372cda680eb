"""The API server's audit log as a source: followed to its end, across rotation, truncation and removal.

A full log is renamed (`audit-TIME.log`) and begun anew under its old name, as `--audit-log-maxsize` has it.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from asyncinotify import Inotify, Mask

from labs.nodes.kind.recorder.output import tell

LOG = Path("/var/log/kubernetes/audit/audit.log")

_CHANGES = Mask.MODIFY | Mask.CREATE | Mask.MOVE | Mask.DELETE | Mask.ONLYDIR | Mask.DELETE_SELF
#: How often a directory is looked for that is not there, and one that is there is looked at for good measure.
_LOOK_SECONDS = 1.0


class AuditLog:
    """Follows one log. `read` gives every whole line once, whatever becomes of the file meanwhile."""

    def __init__(self, path: Path = LOG) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._begun = b""  # a line whose end is not written yet
        self._passed = ""  # the newest of the full logs that need not be looked at any more

    def resume(self, last: str) -> bool:
        """Go on after the event with the ID `last`; False when no log holds it (any more): from the start."""
        wanted = f'"auditID":"{last}"'.encode()
        full = self._full()
        for passed, log in reversed(list(enumerate([*full, self._path]))):
            with suppress(FileNotFoundError):
                file = log.open("rb")
                if any(wanted in line for line in file):
                    self._file = file
                    self._passed = max((one.name for one in full[: passed + 1]), default="")
                    return True
                file.close()
        return False

    def read(self) -> Iterator[bytes]:
        """All lines that have been completed since the last call."""
        while self._file is not None or self._open_next(None):
            assert self._file is not None
            while chunk := self._file.read(1 << 20):
                *lines, self._begun = (self._begun + chunk).split(b"\n")
                yield from lines
            status = os.fstat(self._file.fileno())
            if status.st_size < self._file.tell():  # truncated: what is there now is new
                self._file.seek(0)
                self._begun = b""
            elif not self._open_next(status.st_ino):
                return

    def _open_next(self, current: int | None) -> bool:
        """Open the log that comes after the one with the inode `current`; whether there is one."""
        full = self._full()
        self._passed = next((log.name for log in full if _inode(log) == current), self._passed)
        following = next((log for log in full if log.name > self._passed), self._path)
        if _inode(following) in (None, current):
            return False
        try:
            file = following.open("rb")
        except FileNotFoundError:
            return False
        self.close()
        self._file, self._begun = file, b""
        if following is not self._path:
            self._passed = following.name
        return True

    def _full(self) -> list[Path]:
        """The logs that have been renamed, oldest first."""
        return sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"))

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


class Audit:
    """Tells of each event in the log, as the API server wrote it."""

    def __init__(self, last: str | None, path: Path = LOG) -> None:
        """`last` is the ID of the last event that the evidence holds."""
        self._log = AuditLog(path)
        self._directory = path.parent
        if last is not None and not self._log.resume(last):
            reason = f"no audit log holds the last recorded event, {last}, any more"
            tell(source="recorder", event="gap", of="audit", reason=reason)

    async def run(self) -> None:
        """Follow until cancelled."""
        with Inotify() as inotify:
            watched = False
            while True:
                if not watched:
                    with suppress(FileNotFoundError, NotADirectoryError):
                        inotify.add_watch(self._directory, _CHANGES)
                        watched = True
                self._tell()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        event = await inotify.get()
                    watched = not event.mask & (Mask.DELETE_SELF | Mask.IGNORED)

    async def settle(self) -> None:
        """Return when all that is written by now has been told."""
        self._tell()

    def _tell(self) -> None:
        for line in self._log.read():
            with suppress(ValueError):  # cut off when the machine or the API server went down
                tell(source="audit", event=json.loads(line))


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
