"""The supervisor's second half: what it does from the moment that the cluster's namespaces exist."""

import asyncio
import signal
import socket
import sys
from typing import Any

from labs.errors import LabsError
from labs.nodes.cluster_init import ClusterInit
from labs.nodes.layout import Layout
from labs.nodes.progress import Progress
from labs.nodes.running import RunningCluster
from labs.nodes.service import Service


def supervise(layout: Layout, init: ClusterInit, listener: socket.socket, progress: Progress) -> int:
    """Boot the node, serve the sockets, and end with the cluster; the exit status."""
    return asyncio.run(_supervise(layout, init, listener, progress))


async def _supervise(layout: Layout, init: ClusterInit, listener: socket.socket, progress: Progress) -> int:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[str] = loop.create_future()

    def end(reason: str) -> None:
        if not over.done():
            over.set_result(reason)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, f"it got {number.name}")
    if progress.descriptor is not None:  # readable: its other end was closed
        loop.add_reader(progress.descriptor, end, "nobody waits for it any more")
    cluster = RunningCluster(layout, init, end)
    service = Service(layout, cluster)
    serving = [
        asyncio.create_task(service.serve()),
        asyncio.create_task(cluster.forwarder.serve(listener)),
    ]
    starting = asyncio.create_task(_start(cluster, progress, listener.getsockname()[1]))
    try:
        ends: set[asyncio.Future[Any]] = {over, *serving}
        await asyncio.wait({starting, *ends}, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            raise LabsError(f"the cluster did not start: {over.result()}")
        if starting.done():
            starting.result()
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in serving:
            if task.done():  # they end only by an error
                task.result()
        print(f"the cluster ends: {over.result()}", file=sys.stderr)
        return 0
    finally:
        for task in (starting, *serving):
            task.cancel()
        await asyncio.gather(starting, *serving, return_exceptions=True)
        await cluster.stop()
        await service.close()
        cluster.close()


async def _start(cluster: RunningCluster, progress: Progress, port: int) -> None:
    try:
        await cluster.boot()
        progress.tell(stage="node-up")
        await cluster.start_units()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LabsError(f"the node could not be started: {error}") from error
    progress.tell(stage="units-started")
    progress.tell(ready=True, port=port)
    if progress.descriptor is not None:
        asyncio.get_running_loop().remove_reader(progress.descriptor)
        progress.end()
