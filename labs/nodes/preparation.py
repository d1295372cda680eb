"""Laying out the files of new nodes, in a process of its own beside the supervisor that starts the rest.

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
    """A process that lays out the nodes: first what they need to boot, then what their kubelets need.

    Until it has ended, nobody may run a command on a node: it may be the host's root that writes here.
    """

    def __init__(self, process: int, bootable: int) -> None:
        self.process = process
        self._bootable = bootable

    @classmethod
    def begin(cls, layout: Layout, port: int, workers: int, *, bare: bool) -> "Preparation | None":
        """Start laying out the control plane's node and its `workers`, unless they are.

        Forked, not called: importing the certificate library and writing take 0.2 s that the start of the
        node and its runtime can have, and the supervisor stays 15 MB smaller.
        """
        if layout.prepared(layout.control_plane).exists():
            return None
        return cls.begin_anew(layout, port, workers, bare=bare)

    @classmethod
    def begin_anew(cls, layout: Layout, port: int, workers: int, *, bare: bool) -> "Preparation":
        """The same, whatever there is of them."""
        bootable, say_bootable = os.pipe()
        supervisor = os.getpid()
        process = os.fork()
        if process:
            os.close(say_bootable)
            return cls(process, bootable)
        status = 1
        try:
            namespaces.die_with_parent(supervisor)
            _prepare(layout, port, workers, say_bootable, bare=bare)
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def wait_bootable(self) -> None:
        """Return when the nodes can boot, or when they never will: then the process has failed."""
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


def _prepare(layout: Layout, port: int, workers: int, say_bootable: int, *, bare: bool) -> None:
    names = layout.node_names(workers)
    addresses = {name: node_address(index) for index, name in enumerate(names)}
    for index, name in enumerate(names):
        directory, root, address = layout.nodes / name, layout.rootfs(name), addresses[name]
        others = {other: where for other, where in addresses.items() if other != name}
        removal.delete(directory)  # what an interrupted start left
        rootfs.write(root, name, address, pod_cidr(index), others)
        rootfs.write_trusted_etc(directory / "etc", name, address, others)
        rootfs.write_tools(directory / "tools", views.NodePython.own().student_command)
        (directory / "trusted").mkdir(mode=0o755)
        _give_to_node(directory)
    os.write(say_bootable, b".")
    os.close(say_bootable)

    from labs.nodes import kubeadm  # takes as long to import as all of the above took to write

    nodes = [
        kubeadm.NodeIdentity(layout.cluster, name, addresses[name], pod_cidr(index))
        for index, name in enumerate(names)
    ]
    first, root = nodes[0], layout.rootfs(names[0])
    tainted = {"registerWithTaints": [kubeadm.CONTROL_PLANE_TAINT]} if workers else {}
    kubeadm.initialize(root, first, kubeadm.BARE if bare else kubeadm.Setup(kubelet=tainted))
    kubeadm.write_judge_credentials(root, first, layout.judge_credentials)
    kubeadm.write_host_kubeconfig(root, first, layout.kubeconfig, port)
    for node in nodes[1:]:
        kubeadm.join(layout.rootfs(node.name), node, root, first.name, {})
    for name in names:
        for written in ("etc/kubernetes", "etc/default", "var/lib/kubelet"):
            _give_to_node(layout.rootfs(name) / written)
    layout.prepared(names[0]).touch()


def _give_to_node(directory: Path) -> None:
    """Files of the host's root could be changed by nobody on the node: give them to the node's root."""
    if os.geteuid() != 0:
        return
    os.chown(directory, ROOT_BASE, ROOT_BASE)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(Path(parent, name), ROOT_BASE, ROOT_BASE, follow_symlinks=False)
