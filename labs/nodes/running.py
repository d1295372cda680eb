"""A cluster that is up: its nodes, its evidence, and the ways into it, held together for the sockets."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from labs.nodes import children, views
from labs.nodes.barrier import ApiProbe, Barriers
from labs.nodes.channel import ChannelClosedError, Message, RequestChannel
from labs.nodes.cluster_init import ClusterInit
from labs.nodes.embedded import EmbeddedNode
from labs.nodes.evidence import Evidence
from labs.nodes.forwarder import Forwarder
from labs.nodes.layout import Layout
from labs.nodes.manifest_watch import Manifest, ManifestWatch
from labs.nodes.network import node_address

BACKEND, ENGINE = "embedded", "bundled"


class RunningCluster:
    """The cluster as the supervisor has it, from the first process to the last."""

    def __init__(self, layout: Layout, init: ClusterInit, on_end: Callable[[str], None]) -> None:
        """`on_end` is told, once, why the cluster is no more."""
        self._layout = layout
        self._init = init
        self._on_end = on_end
        # it outlives the cluster's pid 1, and the kernel lets that end only when all others have
        self._keeper = asyncio.create_task(children.ended(init.keeper))
        self._keeper.add_done_callback(lambda _: on_end("the cluster's first process has ended"))
        self._control = RequestChannel(init.control, self._event)
        self._nodes: dict[str, EmbeddedNode] = {}
        self.evidence = Evidence(layout.evidence)
        self.forwarder = Forwarder(self._make_socket, node_address(0))
        self._api = ApiProbe(self.forwarder, layout.judge_credentials)
        self._barriers: Barriers | None = None
        self._cleanup = ExitStack()

    async def boot(self) -> None:
        """Start the control-plane node and, on it, the container runtime."""
        name, python = self._layout.control_plane, views.NodePython.own()
        control, control_inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        evidence, evidence_inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        node = EmbeddedNode(name, control, evidence, self.evidence, self._node_gone)
        self._nodes[name] = node
        with control_inside, evidence_inside:
            await self._control.request(
                "node",
                [control_inside.fileno(), evidence_inside.fileno()],
                name=name,
                index=0,
                command=views.node_command(name),
                environment={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG": "C.UTF-8",
                    **python.environment,
                },
            )
        await node.boot(self._init.id_map)
        await node.unit("start", "containerd")

    async def start_kubelet(self) -> None:
        """Start the kubelet, which starts all else; the node's files must all be there by now."""
        node, rootfs = self.node(None), self._layout.rootfs(self._layout.control_plane)
        manifests = self._cleanup.enter_context(ManifestWatch(rootfs, self._manifest_changed))
        watching = asyncio.create_task(manifests.run())
        self._cleanup.callback(watching.cancel)
        self._barriers = Barriers(self.evidence, node, manifests, self._api)
        await node.unit("start", "kubelet")

    def node(self, name: str | None) -> EmbeddedNode:
        """The node `name`, or the control plane."""
        wanted = name or self._layout.control_plane
        if wanted not in self._nodes:
            raise ValueError(f"there is no node '{wanted}': the nodes are {', '.join(self._nodes)}")
        return self._nodes[wanted]

    async def status(self) -> dict[str, Any]:
        """What `status` says on both sockets."""
        return {
            "name": self._layout.cluster,
            "nodes": list(self._nodes),
            "engine": ENGINE,
            "backend": BACKEND,
            "api": await self._api.is_up(),
        }

    async def barrier(self, timeout: float) -> dict[str, Any]:
        """See `labs.nodes.barrier`."""
        if self._barriers is None:
            raise ChannelClosedError("the node is still starting")
        barrier = await self._barriers.make(timeout)
        return {"seq": barrier.seq, "silent": list(barrier.silent), "api": "up" if barrier.api_up else "down"}

    def record_shell(self, node: str, argv: Sequence[str], pid: int, status: int | None) -> None:
        """Note that a student's command was started or, with a `status`, has ended."""
        event = "started" if status is None else "exited"
        self.evidence.append("shell", node, event=event, argv=list(argv), pid=pid, exit=status)

    def end(self) -> None:
        """Have the supervisor stop this cluster."""
        self._on_end("asked to")

    async def stop(self) -> None:
        """End every process of the cluster; return when there is none."""
        with suppress(ChannelClosedError):  # by itself, meanwhile
            self._control.post("stop")
        await asyncio.wait({self._keeper})

    def close(self) -> None:
        """Let go of sockets and files."""
        self._cleanup.close()
        for node in self._nodes.values():
            node.close()
        self._control.close()
        self.evidence.close()

    async def _make_socket(self) -> socket.socket:
        _, (descriptor,) = await self._control.request("socket")
        return socket.socket(fileno=descriptor)

    def _manifest_changed(self, path: str, manifest: Manifest | None) -> None:
        node = self._layout.control_plane
        if manifest is None:
            self.evidence.append("file", node, path=path, event="removed", sha256=None, content=None)
        else:
            data = {"sha256": manifest.sha256, "content": manifest.content}
            self.evidence.append("file", node, path=path, event="written", **data)

    def _event(self, message: Message) -> None:
        if message.get("event") == "node-exited":
            self._on_end(f"node '{message['name']}' went down with status {message['status']}")

    def _node_gone(self) -> None:
        """The node's pid 1 has closed its socket; its exit is told by the cluster's pid 1."""
