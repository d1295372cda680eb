"""The recorder's loop: four sources, and the supervisor's orders on stdin."""

import asyncio
import json
import os
import sys
from typing import Protocol

from labs.nodes.kind.recorder.audit import Audit
from labs.nodes.kind.recorder.files import Manifests
from labs.nodes.kind.recorder.journal import Journal
from labs.nodes.kind.recorder.output import tell
from labs.nodes.kind.recorder.runtime import Runtime


class Source(Protocol):
    """Something that happens on the node, and is told."""

    async def run(self) -> None:
        """Tell of it until cancelled."""

    async def settle(self) -> None:
        """Return when all that has happened by now has been told; `OSError` when that cannot be known."""


async def main() -> None:
    """Record until the end of stdin."""
    orders = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    resume = json.loads(await orders.readline())["resume"]
    sources: dict[str, Source] = {
        "runtime": Runtime(resume["runtime"]),
        "audit": Audit(resume["audit"]),
        "journal": Journal(resume["journal"]),
        "file": Manifests(resume["file"]),
    }
    tell(source="recorder", event="started")
    async with asyncio.TaskGroup() as tasks:
        for source in sources.values():
            tasks.create_task(source.run())
        async for line in orders:
            order = json.loads(line)
            tasks.create_task(_answer(order["ping"], sources[order["of"]]))
        os._exit(0)  # whoever listened has gone, and nothing is left to be done


async def _answer(number: int, source: Source) -> None:
    try:
        await source.settle()
    except OSError as error:
        tell(pong=number, error=str(error))
    else:
        tell(pong=number)


if __name__ == "__main__":
    asyncio.run(main())
