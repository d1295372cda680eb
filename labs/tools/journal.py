"""The node's journal as its readers see it: JSON lines that the node's process 1 writes, newest last."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

Entry = dict[str, Any]

#: Makes text of an entry; the second argument says whether the host's name is wanted.
Format = Callable[..., str]

DIRECTORY = Path("/var/log/journal")
#: Oldest first.
NAMES = ("system@old.jsonl", "system.jsonl")

#: `systemctl status` and `-n` without a number.
LINES = 10


def unit_name(unit: str) -> str:
    """A unit's full name: a service, when nothing else is said."""
    return unit if "." in unit else f"{unit}.service"


def of_unit(entry: Entry, unit: str) -> bool:
    """Whether an entry was written by the unit, or is about it."""
    return unit in (entry.get("_SYSTEMD_UNIT"), entry.get("UNIT"))


def entries(directory: Path = DIRECTORY, before: Follower | None = None) -> Iterator[Entry]:
    """All entries, oldest first, up to where a follower goes on; what is no entry is passed over."""
    for name in NAMES:
        left = before.start if before is not None and name == NAMES[-1] else sys.maxsize
        try:
            with (directory / name).open("rb") as file:
                for line in file:
                    left -= len(line)
                    entry = parse(line)
                    if entry is not None and left >= 0:
                        yield entry
        except OSError:  # not written yet, or taken away
            continue


def parse(line: bytes) -> Entry | None:
    """An entry; None for what is none (the disk may have been full, or somebody else written)."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    complete = isinstance(entry, dict) and str(entry.get("__REALTIME_TIMESTAMP", "")).isdigit()
    return entry if complete else None


def microseconds(entry: Entry) -> int:
    return int(entry["__REALTIME_TIMESTAMP"])


def _local(entry: Entry) -> time.struct_time:
    return time.localtime(microseconds(entry) // 1_000_000)


def _prefixed(stamp: Callable[[Entry], str], *, unit: bool = False) -> Format:
    """syslog's line, after one way or another to say when."""

    def line(entry: Entry, host: bool = True) -> str:
        words = [stamp(entry), *([str(entry.get("_HOSTNAME", ""))] if host else [])]
        source = str(entry.get("SYSLOG_IDENTIFIER", "unknown"))
        if unit:
            source = str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or source)
        pid = entry.get("_PID")
        head = " ".join([*words, f"{source}[{pid}]: " if pid else f"{source}: "])
        # further lines of one message stand below its first
        return head + str(entry.get("MESSAGE", "")).replace("\n", "\n" + " " * len(head))

    return line


def _fraction(entry: Entry) -> str:
    return f"{microseconds(entry) % 1_000_000:06d}"


def _verbose(entry: Entry, _: bool = True) -> str:
    moment = _local(entry)
    head = time.strftime(f"%a %Y-%m-%d %H:%M:%S.{_fraction(entry)} %Z", moment)
    fields = (f"    {name}={value}" for name, value in entry.items() if not name.startswith("__"))
    return "\n".join([head, *fields])


#: How `-o` shows an entry.
FORMATS: dict[str, Format] = {
    "short": _prefixed(lambda entry: time.strftime("%b %d %H:%M:%S", _local(entry))),
    "short-precise": _prefixed(
        lambda entry: f"{time.strftime('%b %d %H:%M:%S', _local(entry))}.{_fraction(entry)}"
    ),
    "short-iso": _prefixed(lambda entry: time.strftime("%Y-%m-%dT%H:%M:%S%z", _local(entry))),
    "short-iso-precise": _prefixed(
        lambda entry: time.strftime(f"%Y-%m-%dT%H:%M:%S.{_fraction(entry)}%z", _local(entry))
    ),
    "short-full": _prefixed(lambda entry: time.strftime("%a %Y-%m-%d %H:%M:%S %Z", _local(entry))),
    "short-unix": _prefixed(lambda entry: f"{microseconds(entry) // 1_000_000}.{_fraction(entry)}"),
    "short-monotonic": _prefixed(lambda entry: f"[{int(entry.get('__MONOTONIC_TIMESTAMP', 0)) / 1e6:12.6f}]"),
    "with-unit": _prefixed(lambda entry: time.strftime("%a %Y-%m-%d %H:%M:%S %Z", _local(entry)), unit=True),
    "cat": lambda entry, _=True: str(entry.get("MESSAGE", "")),
    "json": lambda entry, _=True: json.dumps(entry, ensure_ascii=False, separators=(",", ":")),
    "json-pretty": lambda entry, _=True: json.dumps(entry, ensure_ascii=False, indent="\t"),
    "verbose": _verbose,
}


class Follower:
    """Waits for entries that are written after it was made."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._path = directory / NAMES[-1]
        self._watch = _watch(directory)
        self._rest = b""
        self._file = self._open()
        #: Up to here the file belongs to the past.
        self.start = self._file.seek(0, os.SEEK_END) if self._file is not None else 0

    def __iter__(self) -> Iterator[Entry]:
        while True:
            yield from self._new()
            if self._replaced():
                yield from self._new()
                self._file = self._open()
            else:
                os.read(self._watch, 65536)

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except OSError:  # nothing has been written yet
            return None

    def _replaced(self) -> bool:
        """Whether the file of that name is another one by now."""
        try:
            there = self._path.stat()
        except OSError:
            return False
        return self._file is None or os.fstat(self._file.fileno()).st_ino != there.st_ino

    def _new(self) -> Iterator[Entry]:
        if self._file is None:
            return
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            entry = parse(line)
            if entry is not None:
                yield entry


def _watch(directory: Path) -> int:
    """An inotify descriptor that becomes readable when a file in the directory grows, comes or goes."""
    import ctypes  # only following needs it, and it is slow to import

    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.inotify_init1(os.O_CLOEXEC))
    modify, moved_to, create = 0x2, 0x80, 0x100
    if (
        descriptor < 0
        or libc.inotify_add_watch(descriptor, os.fsencode(directory), modify | moved_to | create) < 0
    ):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(directory))
    return descriptor
