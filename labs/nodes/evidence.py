"""The record of what happened in a cluster: append-only, in one total order, out of the student's reach.

A record is one line of `evidence.jsonl`: {"seq", "at", "source", "node", …}. `seq` counts from 1 without
gaps, over every boot of the cluster; `at` is the supervisor's clock. What sources there are and what each
says is in the table of `labs.nodes.supervisor`.
"""

import asyncio
import json
import os
from array import array
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Evidence:
    """The record of one cluster. Only its supervisor has it open for writing."""

    def __init__(self, path: Path) -> None:
        """Open `path`, which is made if it is missing, and go on counting where it ends."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._offsets = array("Q", [0])  # of each record, and of the end
        self._index()
        self.complete = True
        """False once a record could not be written: the disk is full, or gone."""
        self._added = asyncio.Event()

    def _index(self) -> None:
        with open(self._file, "rb", closefd=False) as stream:
            for line in stream:
                if not line.endswith(b"\n"):  # the machine went down in the middle of a record
                    os.truncate(self._file, self._offsets[-1])
                    return
                self._offsets.append(self._offsets[-1] + len(line))

    @property
    def last(self) -> int:
        """The `seq` of the newest record; 0 when there is none."""
        return len(self._offsets) - 1

    def append(self, source: str, node: str | None, **data: Any) -> int:
        """Add a record, stamped with the time and its place in the order, which is returned."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        record = {"seq": self.last + 1, "at": at, "source": source, "node": node}
        line = json.dumps({**record, **data, **record}, ensure_ascii=False).encode() + b"\n"
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            self.complete = False
            os.ftruncate(self._file, self._offsets[-1])
            raise
        self._offsets.append(self._offsets[-1] + len(line))
        added, self._added = self._added, asyncio.Event()
        added.set()
        return self.last

    def since(self, seq: int) -> list[Record]:
        """All records after number `seq`, oldest first."""
        seq = max(0, min(seq, self.last))
        start, end = self._offsets[seq], self._offsets[-1]
        return [json.loads(line) for line in os.pread(self._file, end - start, start).splitlines()]

    async def follow(self, seq: int) -> AsyncIterator[Record]:
        """All records after number `seq`, and then each new one as it is added."""
        while True:
            added = self._added
            for record in self.since(seq):
                yield record
                seq = record["seq"]
            await added.wait()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
