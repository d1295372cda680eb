"""The audit log: one file of JSON lines that is rotated as the real server's is (lumberjack's rules).

audit.log, and beside it what was full: audit-2026-11-24T01-02-03.456.log[.gz]
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from ..options import InvalidOptions

MEGABYTE = 1024 * 1024
_STAMP = "%Y-%m-%dT%H-%M-%S"


class Log:
    """Appends lines; `-` is standard output."""

    def __init__(self, path: str, *, megabytes: int, backups: int, days: int, compress: bool) -> None:
        """Open the file, made with its directory where missing. Raises `InvalidOptions`."""
        self._path = Path(path)
        self._limit = megabytes * MEGABYTE
        self._backups = backups
        self._days = days
        self._compress = compress
        if path == "-":
            self._file: BinaryIO = sys.stdout.buffer
            self._limit = 0
            return
        parent = self._path.parent
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidOptions(f"ensureLogFile: mkdir {parent}: {_words(error)}") from None
        try:
            self._open()
        except OSError as error:
            raise InvalidOptions(f"ensureLogFile: open {path}: {_words(error)}") from None

    def _open(self) -> None:
        number = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(number, "ab", buffering=0)
        self._size = os.fstat(number).st_size

    def write(self, line: bytes) -> None:
        """One line, on its way to the disk when this returns. Raises OSError."""
        if self._limit and self._size + len(line) > self._limit and self._size:
            self._rotate(datetime.now(UTC))
        self._file.write(line)
        self._file.flush()
        if self._limit:
            self._size += len(line)

    def _rotate(self, now: datetime) -> None:
        self._file.close()
        stamp = f"{now.strftime(_STAMP)}.{now.microsecond // 1000:03d}"
        full = self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")
        self._path.rename(full)
        self._open()
        if self._compress:
            packed = full.with_name(f"{full.name}.gz")
            with full.open("rb") as source, gzip.open(packed, "wb") as target:
                shutil.copyfileobj(source, target)
            full.unlink()
        self._drop_old(now)

    def _drop_old(self, now: datetime) -> None:
        """Remove backups beyond their number or age; 0 means there is no such bound."""
        old = sorted(self._old(), reverse=True)
        for index, (moment, path) in enumerate(old):
            too_many = self._backups and index >= self._backups
            too_old = self._days and now - moment > timedelta(days=self._days)
            if too_many or too_old:
                path.unlink(missing_ok=True)

    def _old(self) -> list[tuple[datetime, Path]]:
        found = []
        prefix, suffix = f"{self._path.stem}-", self._path.suffix
        for path in self._path.parent.iterdir():
            stamp = path.name.removesuffix(".gz")
            if not (stamp.startswith(prefix) and stamp.endswith(suffix)):
                continue
            try:
                moment = datetime.strptime(stamp[len(prefix) : len(stamp) - len(suffix)], f"{_STAMP}.%f")
            except ValueError:
                continue  # somebody else's file
            found.append((moment.replace(tzinfo=UTC), path))
        return found


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
