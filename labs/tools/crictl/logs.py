"""Reading a container's log file (CRI format), from its end or as it grows.

2026-11-23T17:55:13.569708183Z stdout F hello
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from labs.tools.crictl.errors import CrictlError

#: How often a followed file is looked at.
_POLL_SECONDS = 0.1
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Wanted:
    """Which lines, and how they are shown."""

    tail: int = -1
    since: str = ""
    timestamps: bool = False
    limit: int = -1
    stream: str = ""


def show(path: str, wanted: Wanted, running: Callable[[], bool] | None) -> None:
    """Print the lines of the log at `path`; with `running`, go on as long as that is true."""
    try:
        file = Path(path).open("rb")  # noqa: SIM115
    except OSError as failure:
        reason = (failure.strerror or "").lower()
        raise CrictlError(
            f'failed to try resolving symlinks in path "{path}": lstat {path}: {reason}'
        ) from failure
    since = moment(wanted.since) if wanted.since else ""
    left = wanted.limit
    with file:
        if wanted.tail >= 0:
            file.seek(_start_of_tail(file, wanted.tail))
        for line in _lines(file, path, running):
            stamp, stream, tag, text = _parts(line)
            if stamp < since or (wanted.stream and stream != wanted.stream):
                continue
            data = (
                (f"{stamp} ".encode() if wanted.timestamps else b"") + text + (b"\n" if tag == "F" else b"")
            )
            if left >= 0:
                data, left = data[:left], left - min(left, len(data))
            out = sys.stderr.buffer if stream == "stderr" else sys.stdout.buffer
            out.write(data)
            out.flush()
            if left == 0:
                return


def moment(text: str) -> str:
    """A time, or a duration before now, as log lines begin with it."""
    if re.fullmatch(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+", text):
        seconds = sum(
            float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", text)
        )
        return datetime.fromtimestamp(time.time() - seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise CrictlError(f'failed to parse since duration or timestamp "{text}"') from None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _parts(line: bytes) -> tuple[str, str, str, bytes]:
    stamp, stream, tag, text = (*line.rstrip(b"\n").split(b" ", 3), b"", b"", b"")[:4]
    return stamp.decode(), stream.decode(), tag.decode(), text


def _start_of_tail(file: BinaryIO, count: int) -> int:
    """Where the last `count` lines begin."""
    end = file.seek(0, os.SEEK_END)
    if count == 0:
        return end
    at, newlines = end, 0
    while at > 0:
        size = min(at, 65536)
        at -= size
        file.seek(at)
        block = file.read(size)
        for index in range(len(block) - 1, -1, -1):
            if block[index] == 10 and at + index != end - 1:
                newlines += 1
                if newlines == count:
                    return at + index + 1
    return 0


def _lines(file: BinaryIO, path: str, running: Callable[[], bool] | None) -> Iterator[bytes]:
    """The lines from here to the end; then those that come, also into a new file of the same name."""
    while True:
        alive = running is not None and running()
        while line := file.readline():
            if not line.endswith(b"\n") and alive:  # it is being written
                file.seek(-len(line), os.SEEK_CUR)
                break
            yield line
        if not alive:
            return
        time.sleep(_POLL_SECONDS)
        if _replaced(file, path):
            yield from file
            file.close()
            file = Path(path).open("rb")  # noqa: SIM115


def _replaced(file: BinaryIO, path: str) -> bool:
    try:
        return Path(path).stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False
