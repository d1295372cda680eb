"""The supervisor's second half: what it does from the moment that the cluster's namespaces exist."""

import asyncio
import signal
import socket
from contextlib import suppress

from labs.errors import LabsError
from labs.nodes import service
from labs.nodes.cluster_init import ClusterInit
from labs.nodes.exercises import Exercises
from labs.nodes.layout import Layout
from labs.nodes.running import RunningCluster
from labs.nodes.supervisor import Progress


def supervise(layout: Layout, init: ClusterInit, listener: socket.socket, progress: Progress) -> int:
    """Boot the node, serve the sockets, and end with the cluster; the exit status."""
    return asyncio.run(_supervise(layout, init, listener, progress))


async def _supervise(layout: Layout, init: ClusterInit, listener: socket.socket, progress: Progress) -> int:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[str | None] = loop.create_future()

    def end(reason: str | None) -> None:
        if not over.done():
            over.set_result(reason)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, None)
    cluster = RunningCluster(layout, init, end)
    exercises = Exercises(layout.cluster, cluster.evidence)
    tasks: list[asyncio.Task[None]] = []
    try:
        starting = asyncio.create_task(_start(cluster, progress))
        await asyncio.wait({starting, over}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            raise LabsError(over.result() or "stopped while starting")
        starting.result()
        sockets = {service.STUDENT: layout.student_socket, service.JUDGE: layout.judge_socket}
        return 0
    finally:
        for task in tasks:
            task.cancel()
        await cluster.stop()
        cluster.close()
        for path in (layout.student_socket, layout.judge_socket):
            path.unlink(missing_ok=True)
