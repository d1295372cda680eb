"""The supervisor's second half: what it does from the moment that the cluster's namespaces exist."""

import asyncio
import os
import signal
import socket
import sys
from typing import Any

from labs.errors import LabsError
from labs.nodes import children
from labs.nodes.cluster_init import ClusterInit
from labs.nodes.layout import Layout
from labs.nodes.preparation import Preparation, PreparationFailedError
from labs.nodes.progress import Progress
from labs.nodes.running import RunningCluster
from labs.nodes.service import Service


def supervise(
    layout: Layout,
    init: ClusterInit,
    listener: socket.socket,
    preparing: Preparation | None,
    progress: Progress,
) -> int:
    """Boot the node, serve the sockets and the port `listener`, and end with the cluster; the exit status."""
    return asyncio.run(_supervise(layout, init, listener, preparing, progress))


async def _supervise(
    layout: Layout,
    init: ClusterInit,
    listener: socket.socket,
    preparing: Preparation | None,
    progress: Progress,
) -> int:
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
    tasks: list[asyncio.Task[None]] = []
    try:
        tasks.append(asyncio.create_task(_start(cluster, layout, preparing, progress)))
        await _first_of(over, *tasks)
        if over.done():
            raise LabsError(f"the cluster did not start: {over.result()}")
        service.open()
        tasks.append(asyncio.create_task(service.serve()))
        tasks.append(asyncio.create_task(cluster.forwarder.serve(listener)))
        if progress.descriptor is not None:
            loop.remove_reader(progress.descriptor)
        progress.tell(ready=True, port=listener.getsockname()[1])
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


async def _start(
    cluster: RunningCluster, layout: Layout, preparing: Preparation | None, progress: Progress
) -> None:
    prepared = asyncio.create_task(children.ended(preparing.process)) if preparing else None
    try:
        await cluster.boot()
        progress.tell(stage="node-up")
        if prepared is not None and await prepared != 0:
            raise PreparationFailedError(layout)
        await cluster.start_kubelet()
        progress.tell(stage="units-started")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise LabsError(f"the node could not be started: {error}") from error
    finally:
        if preparing is not None and prepared is not None and not prepared.done():
            os.kill(preparing.process, signal.SIGKILL)
            await prepared
