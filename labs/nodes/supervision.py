"""The supervisor's second half: what it does from the moment that its cluster can be started."""

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

from labs.errors import LabsError
from labs.nodes.layout import Layout
from labs.nodes.progress import Progress
from labs.nodes.running import RunningCluster
from labs.nodes.service import Service

#: Makes the cluster to supervise, within the running loop; it is given whom to tell why the cluster ends.
ClusterMaker = Callable[[Callable[[str], None]], RunningCluster]


def supervise(layout: Layout, make: ClusterMaker, progress: Progress) -> int:
    """Start the cluster, serve its sockets, and end with it; the exit status."""
    return asyncio.run(_supervise(layout, make, progress))


async def _supervise(layout: Layout, make: ClusterMaker, progress: Progress) -> int:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[str] = loop.create_future()

    def end(reason: str) -> None:
        if not over.done():
            over.set_result(reason)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, f"it got {number.name}")
    if progress.descriptor is not None:  # readable: its other end was closed
        loop.add_reader(progress.descriptor, end, "nobody waits for it any more")
    cluster = make(end)
    service = Service(layout, cluster)
    tasks: list[asyncio.Task[None]] = []
    try:
        tasks.append(asyncio.create_task(_start(cluster, progress)))
        await _first_of(over, *tasks)
        if over.done():
            raise LabsError(f"the cluster did not start: {over.result()}")
        service.open()
        tasks.append(asyncio.create_task(service.serve()))
        tasks.append(asyncio.create_task(cluster.serve()))
        if progress.descriptor is not None:
            loop.remove_reader(progress.descriptor)
        progress.tell(ready=True, port=cluster.port)
        progress.end()
        await _first_of(over, *tasks[1:])
        print(f"the cluster ends: {over.result()}", file=sys.stderr)
        return 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await cluster.stop()
        await service.close()
        cluster.close()


async def _first_of(*waited: asyncio.Future[Any]) -> None:
    """Return when one of them is done; with its error, if it has one."""
    done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()


async def _start(cluster: RunningCluster, progress: Progress) -> None:
    try:
        await cluster.start(progress)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LabsError(f"the node could not be started: {error}") from error
