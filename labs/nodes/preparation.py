"""Laying out a new node's files, in a process of its own beside the supervisor that starts the rest.

A resumed node keeps every file: its static pods' UIDs and its certificates come from them.
"""

import os
import shutil
import sys
import traceback
from pathlib import Path

from labs.nodes import namespaces
from labs.nodes.layout import Layout
from labs.nodes.namespaces import ROOT_BASE
from labs.nodes.network import node_address, pod_cidr


def begin(layout: Layout, port: int, *, bare: bool) -> int | None:
    """Start laying out the control plane's node, unless it is. Returns the process to wait for.

    Forked, not called: importing the certificate library and writing take 0.2 s that something else can
    have, and the supervisor stays 15 MB smaller.
    """
    if layout.prepared(layout.control_plane).exists():
        return None
    supervisor = os.getpid()
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        namespaces.die_with_parent(supervisor)
        _prepare(layout, port, bare=bare)
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def refresh_kubeconfig(layout: Layout, port: int) -> None:
    """Have the host's kubeconfig name the port that a resumed cluster got, when it is another one."""
    text = layout.kubeconfig.read_text()
    lines = [
        f"{line.partition('https://')[0]}https://127.0.0.1:{port}" if "server: https://" in line else line
        for line in text.splitlines()
    ]
    if (new := "\n".join(lines) + "\n") != text:
        layout.kubeconfig.write_text(new)


def _prepare(layout: Layout, port: int, *, bare: bool) -> None:
    from labs.nodes import kubeadm, rootfs, views  # see `begin`

    name = layout.control_plane
    directory, root = layout.nodes / name, layout.rootfs(name)
    if directory.exists():  # what an interrupted start left
        shutil.rmtree(directory)
    node = kubeadm.NodeIdentity(layout.cluster, name, node_address(0), pod_cidr(0))
    kubeadm.write(root, node, bare=bare)
    rootfs.write_trusted_etc(directory / "etc", name, node.address)
    rootfs.write_tools(directory / "tools", views.NodePython.own().student_command)
    (directory / "trusted").mkdir(mode=0o755)
    kubeadm.write_judge_credentials(root, node, layout.judge_credentials)
    kubeadm.write_host_kubeconfig(root, node, layout.kubeconfig, port)
    if os.geteuid() == 0:
        _give_to_node(directory)
    layout.prepared(name).touch()


def _give_to_node(directory: Path) -> None:
    """Files of the host's root could be changed by nobody on the node: give them to the node's root."""
    os.chown(directory, ROOT_BASE, ROOT_BASE)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(Path(parent, name), ROOT_BASE, ROOT_BASE, follow_symlinks=False)
