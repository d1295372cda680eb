"""The runtime as a program: `python -m labs.runtime [--address SOCKET] [--state DIRECTORY] [--node ROOT]`.

In a node it is `containerd.service`, started by process 1, which hands it the monitor's socket and the
evidence's. It keeps nothing in memory that is not on disk or known to process 1: kill it at any time.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import grpc.aio
from cri_api.v1 import api_pb2 as cri
from cri_api.v1 import api_pb2_grpc

from labs.errors import LabsError
from labs.runtime import overlay, terminal
from labs.runtime.containers import Containers
from labs.runtime.errors import CriError
from labs.runtime.evidence import Evidence
from labs.runtime.execution import Executions
from labs.runtime.images import ImageStore
from labs.runtime.images.store import read_catalogue
from labs.runtime.kernelfs import KernelFiles
from labs.runtime.launcher import Launcher
from labs.runtime.monitor import ENVIRONMENT_VARIABLE, Monitor
from labs.runtime.network import PodNetwork
from labs.runtime.nodefs import NodeFiles
from labs.runtime.places import SOURCE, Places
from labs.runtime.pods import Pods
from labs.runtime.processes import Processes
from labs.runtime.records import Container, Records, Sandbox
from labs.runtime.sandboxes import Sandboxes
from labs.runtime.service import ImageService, RuntimeService
from labs.runtime.sessions import Sessions
from labs.runtime.streaming import StreamServer

log = logging.getLogger("containerd")


def main() -> None:
    parser = argparse.ArgumentParser(prog="containerd", description="The bundled CRI runtime of a node.")
    parser.add_argument("--address", default="/run/containerd/containerd.sock", help="socket to serve CRI on")
    parser.add_argument("--state", type=Path, default=Path("/cks"), help="directory of images and containers")
    parser.add_argument(
        "--node", type=Path, default=Path("/node"), help="the root directory that pods' paths mean"
    )
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, format="level=%(levelname)s msg=%(message)r", level=logging.INFO)
    try:
        asyncio.run(serve(arguments.address, Places(arguments.state, arguments.node)))
    except LabsError as failure:
        sys.exit(f"containerd: {failure}")


async def serve(address: str, places: Places) -> None:
    """Serve until told to stop (TERM, INT) or until process 1 is gone."""
    if ENVIRONMENT_VARIABLE not in os.environ:
        raise CriError(f"{ENVIRONMENT_VARIABLE} is not set: the runtime is started by a node's process 1")
    descriptor = int(os.environ.pop(ENVIRONMENT_VARIABLE))
    os.set_inheritable(descriptor, False)
    monitor = Monitor(socket.socket(fileno=descriptor))
    evidence = Evidence.inherited()
    processes = Processes(monitor)
    await processes.load()
    launcher = Launcher(monitor, processes, places.bwrap)
    files = NodeFiles(places.node)
    images = ImageStore(
        places.state / "images",
        read_catalogue(SOURCE, places.state / "catalogue", places.variables),
        lambda: files.read("/etc/resolv.conf").decode(errors="replace"),
    )
    network = PodNetwork(files, places.state / "last-address")
    kernel = KernelFiles(monitor, processes, network, places.state)
    sandbox_records = Records(places.state / "sandboxes", "sandbox", Sandbox, cri.PodSandboxConfig)
    container_records = Records(places.state / "containers", "container", Container, cri.ContainerConfig)
    sandboxes = Sandboxes(sandbox_records, launcher, processes, images, network, files, kernel, evidence)
    containers = Containers(
        container_records,
        sandbox_records,
        launcher,
        processes,
        images,
        files,
        kernel,
        evidence,
        overlay=overlay.works(places.bwrap, places.state),
    )
    pods = Pods(sandboxes, containers, processes, monitor)
    await sandboxes.adopt()
    containers.adopt()
    executions = Executions(monitor)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    streams = StreamServer(container_records, sandbox_records, Sessions(executions, monitor, network))
    runtime = RuntimeService(pods, containers, executions, images, network, streams)
    api_pb2_grpc.add_RuntimeServiceServicer_to_server(runtime, server)
    api_pb2_grpc.add_ImageServiceServicer_to_server(ImageService(images, containers), server)
    directory = Path(address).parent
    directory.mkdir(parents=True, exist_ok=True)
    Path(address).unlink(missing_ok=True)
    server.add_insecure_port(f"unix://{address}")
    terminals = terminal.TerminalServer(directory / terminal.NAME, container_records, executions)
    await server.start()
    evidence.started()
    log.info("containerd successfully booted: serving %s", address)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, monitor.lose)
    await monitor.lost
    terminals.close()
    streams.close()
    await server.stop(None)


if __name__ == "__main__":
    main()
