"""The supervisor of a cluster: owns its processes, collects the evidence, serves its two sockets.

    python -m labs.nodes.supervisor --name NAME --directory DIRECTORY [--bare] [--progress-fd N]

It lays out a new node or takes an existing one as it is, starts it, and reports on the descriptor N by a
line of JSON for each stage: {"stage": "preparing"}, {"stage": "node-up"}, {"stage": "units-started"}, then
{"ready": true, "port": …} or {"error": "one line"}. When nobody reads them any more before it is ready, it
stops. SIGTERM and SIGINT stop it, too; so does the end of the node. However it ends, even by kill -9, no
process of an embedded cluster outlives it (see `labs.nodes.cluster_init`), and its data is kept for the next
start. The container of a kind cluster runs on, and the next supervisor takes it over.

The records of the evidence, by source:

    audit    "event": an audit.k8s.io/v1 Event, as the API server sends it before it answers
    runtime  "event": SandboxCreated … ContainerRemoved, RuntimeStarted; and whose
    journal  "unit", "identifier", "pid", "message": what kubelet and runtime log
    file     "path", "event": written | removed, "sha256", "content": the manifests directory
    shell    "event": started | exited, "argv", "pid", "exit": the student's commands
    lab      "event": start | answer | check | hint: what the judge notes
    recorder "event": started | ended | gap: whether anybody recorded on a kind node
"""

import argparse
import fcntl
import os
import sys
from functools import partial
from pathlib import Path

from labs.errors import LabsError
from labs.nodes import cluster_init, port, views
from labs.nodes.cluster_init import ClusterInit, NamespaceRefusedError
from labs.nodes.layout import Layout
from labs.nodes.preparation import Preparation, refresh_kubeconfig
from labs.nodes.progress import Progress
from labs.nodes.spec import KIND, Spec


class AlreadyRunningError(LabsError):
    """Another supervisor has this cluster."""


def main() -> int:
    """Run one cluster from start to end."""
    parser = argparse.ArgumentParser(prog="labs.nodes.supervisor", allow_abbrev=False)
    parser.add_argument("--name", required=True)
    parser.add_argument("--directory", required=True, type=Path)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--progress-fd", type=int)
    options = parser.parse_args()
    progress = Progress(options.progress_fd)
    layout = Layout(options.directory.absolute(), options.name)
    try:
        _own(layout)
        return _run(layout, progress, bare=options.bare)
    except LabsError as error:
        progress.tell(error=str(error))
        return error.status
    except BrokenPipeError:
        return 1
    finally:
        progress.end()


def _own(layout: Layout) -> None:
    """Be the only supervisor of this cluster, and log to its file."""
    layout.nodes.mkdir(parents=True, exist_ok=True)
    lock = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # a POSIX lock: no child inherits it, and the kernel tells who has it (see `labs.nodes.removal`)
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        name = layout.cluster
        raise AlreadyRunningError(f"cluster '{name}' is running: 'labs down {name}' stops it") from None
    log = os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, targets in ((null, (0,)), (log, (1, 2))):
        for target in targets:
            os.dup2(source, target)
        os.close(source)


def _run(layout: Layout, progress: Progress, *, bare: bool) -> int:
    if Spec.load(layout.directory).backend == KIND:
        from labs.nodes.kind.running import KindCluster  # with Docker's client, which is large
        from labs.nodes.supervision import supervise

        return supervise(layout, partial(KindCluster, layout, bare), progress)
    return _supervise_namespaces(layout, progress, bare=bare)


def _supervise_namespaces(layout: Layout, progress: Progress, *, bare: bool) -> int:
    progress.tell(stage="preparing")
    listener = port.listen(layout.port)
    number = listener.getsockname()[1]
    preparing = Preparation.begin(layout, number, Spec.load(layout.directory).workers, bare=bare)
    try:
        init = _start_namespaces(layout)
        # only now: the processes forked above are as small as they can be, with no thread or loop beside them
        from labs.nodes.embedded_running import EmbeddedCluster
        from labs.nodes.supervision import supervise
    except BaseException:
        if preparing is not None:
            preparing.abandon()
        raise
    if preparing is None:
        refresh_kubeconfig(layout, number)
    else:
        preparing.wait_bootable()
    return supervise(layout, partial(EmbeddedCluster, layout, init, listener, preparing), progress)


def _start_namespaces(layout: Layout) -> ClusterInit:
    try:
        return cluster_init.start(views.sources(layout.nodes))
    except NamespaceRefusedError as error:
        from labs.nodes.doctor import explain_refusal  # needed by the unlucky only

        raise LabsError(explain_refusal(error)) from error


if __name__ == "__main__":
    sys.exit(main())
