"""Laying out a new node's files, in a process of its own beside the supervisor that starts the rest.

A resumed node keeps every file: its static pods' UIDs and its certificates come from them.
"""

import os
import signal
import sys
import traceback
from pathlib import Path

from labs.errors import LabsError
from labs.nodes import namespaces, removal, rootfs, views
from labs.nodes.layout import Layout
from labs.nodes.namespaces import ROOT_BASE
from labs.nodes.network import node_address, pod_cidr


class PreparationFailedError(LabsError):
    """The files of a new node could not be written."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(f"the node's files could not be written: {layout.log} has the reason")


class Preparation:
    """A process that lays out a node: first what it needs to boot, then what its kubelet needs.

    Until it has ended, nobody may run a command on the node: it may be the host's root that writes here.
    """

    def __init__(self, process: int, bootable: int) -> None:
        self.process = process
        self._bootable = bootable

    @classmethod
    def begin(cls, layout: Layout, port: int, *, bare: bool) -> "Preparation | None":
        """Start laying out the control plane's node, unless it is.

        Forked, not called: importing the certificate library and writing take 0.2 s that the start of the
        node and its runtime can have, and the supervisor stays 15 MB smaller.
        """
        if layout.prepared(layout.control_plane).exists():
            return None
        bootable, say_bootable = os.pipe()
        supervisor = os.getpid()
        process = os.fork()
        if process:
            os.close(say_bootable)
            return cls(process, bootable)
        status = 1
        try:
            namespaces.die_with_parent(supervisor)
            _prepare(layout, port, say_bootable, bare=bare)
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def wait_bootable(self) -> None:
        """Return when the node can boot, or when it never will: then the process has failed."""
        os.read(self._bootable, 1)
        os.close(self._bootable)

    def abandon(self) -> None:
        """End it, so that it writes nothing more."""
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def refresh_kubeconfig(layout: Layout, port: int) -> None:
    """Have the host's kubeconfig name the port that a resumed cluster got, when it is another one."""
    text = layout.kubeconfig.read_text()
    lines = [
        f"{line.partition('https://')[0]}https://127.0.0.1:{port}" if "server: https://" in line else line
        for line in text.splitlines()
    ]
    if (new := "\n".join(lines) + "\n") != text:
        layout.kubeconfig.write_text(new)


def _prepare(layout: Layout, port: int, say_bootable: int, *, bare: bool) -> None:
    name = layout.control_plane
    directory, root = layout.nodes / name, layout.rootfs(name)
    removal.delete(directory)  # what an interrupted start left
    address = node_address(0)
    rootfs.write(root, name, address, pod_cidr(0))
    rootfs.write_trusted_etc(directory / "etc", name, address)
    rootfs.write_tools(directory / "tools", views.NodePython.own().student_command)
    (directory / "trusted").mkdir(mode=0o755)
    _give_to_node(directory)
    os.write(say_bootable, b".")
    os.close(say_bootable)

    from labs.nodes import kubeadm  # takes as long to import as all of the above took to write

    node = kubeadm.NodeIdentity(layout.cluster, name, address, pod_cidr(0))
    kubeadm.initialize(root, node, kubeadm.BARE if bare else kubeadm.Setup())
    kubeadm.write_judge_credentials(root, node, layout.judge_credentials)
    kubeadm.write_host_kubeconfig(root, node, layout.kubeconfig, port)
    for written in ("etc/kubernetes", "etc/default", "var/lib/kubelet"):
        _give_to_node(root / written)
    layout.prepared(name).touch()


def _give_to_node(directory: Path) -> None:
    """Files of the host's root could be changed by nobody on the node: give them to the node's root."""
    if os.geteuid() != 0:
        return
    os.chown(directory, ROOT_BASE, ROOT_BASE)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(Path(parent, name), ROOT_BASE, ROOT_BASE, follow_symlinks=False)
