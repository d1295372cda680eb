"""A cluster of embedded nodes that is up: its namespaces, and the port of the host that leads into them."""

import asyncio
import functools
import itertools
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress

from labs.nodes import children, removal, views
from labs.nodes.barrier import ApiProbe, Barriers, ClusterRecorders
from labs.nodes.channel import ChannelClosedError, Message, RequestChannel
from labs.nodes.cluster_init import ClusterInit
from labs.nodes.embedded import EmbeddedNode
from labs.nodes.forwarder import Forwarder
from labs.nodes.layout import Layout
from labs.nodes.manifest_watch import Manifest, ManifestWatch
from labs.nodes.network import node_address
from labs.nodes.preparation import Preparation, PreparationFailedError
from labs.nodes.progress import Progress
from labs.nodes.running import RunningCluster


class EmbeddedCluster(RunningCluster):
    """The processes of a cluster whose namespaces `init` has made."""

    def __init__(
        self,
        layout: Layout,
        init: ClusterInit,
        listener: socket.socket,
        preparing: Preparation | None,
        on_end: Callable[[str], None],
    ) -> None:
        """`listener` is the port that leads to the API server; `preparing` lays out nodes that are new."""
        super().__init__(layout, on_end)
        self._init = init
        self._listener = listener
        self._preparing = preparing
        # it outlives the cluster's pid 1, and the kernel lets that end only when all others have
        self._keeper = asyncio.create_task(children.ended(init.keeper))
        self._keeper.add_done_callback(lambda _: on_end("the cluster's first process has ended"))
        self._control = RequestChannel(init.control, self._event)
        self._names = layout.node_names(self._spec.workers)
        self._nodes: dict[str, EmbeddedNode] = {}
        self._manifests: dict[str, ManifestWatch] = {}
        self._forwarder = Forwarder(self._make_socket, node_address(0))
        self._api = ApiProbe(self._forwarder.connect, layout.judge_credentials)
        self._cleanup = ExitStack()
        self._joining: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def port(self) -> int:
        """The port of the host that leads to the API server."""
        return int(self._listener.getsockname()[1])

    async def start(self, progress: Progress) -> None:
        """Boot the nodes while their files are being written, then start the control plane's kubelet."""
        await self._start(self._preparing, progress)

    async def renew(self) -> None:
        """Put new nodes in the place of those that there are, whatever has been done to them.

        Name, port, evidence and sockets stay; certificates and keys are new.
        """
        self._joining.cancel()
        self._barriers = None
        self._cleanup.close()
        await self._control.request("clear")
        for node in self._nodes.values():
            node.close()
        old = [self._layout.nodes / f".{name}" for name in self._names]
        for name, directory in zip(self._names, old, strict=True):
            removal.delete(directory)  # of a renewal that failed
            (self._layout.nodes / name).rename(directory)
        self.evidence.append("lab", None, event="renewed")
        self._api = ApiProbe(self._forwarder.connect, self._layout.judge_credentials)
        preparing = Preparation.begin_anew(self._layout, self.port, self._spec.workers, bare=False)
        preparing.wait_bootable()
        await self._start(preparing, Progress(None))
        self._joining = asyncio.create_task(self.join())
        for directory in old:
            removal.delete(directory)

    async def _start(self, preparing: Preparation | None, progress: Progress) -> None:
        prepared = asyncio.create_task(children.ended(preparing.process)) if preparing else None
        try:
            for index in range(len(self._names)):
                await self._boot(index)
            progress.tell(stage="node-up")
            if prepared is not None and await prepared != 0:
                raise PreparationFailedError(self._layout)
            await self._start_kubelets()
            progress.tell(stage="units-started")
        finally:
            if preparing is not None and prepared is not None and not prepared.done():
                os.kill(preparing.process, signal.SIGKILL)
                await prepared

    async def serve(self) -> None:
        """Carry what comes to the host's port to the API server, and have the workers join."""
        self._joining = asyncio.create_task(self.join())
        await self._forwarder.serve(self._listener)

    async def _boot(self, index: int) -> None:
        """Start node number `index` and, on it, the container runtime."""
        name, python = self._names[index], views.NodePython.own()
        control, control_inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        evidence, evidence_inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        node = EmbeddedNode(name, control, evidence, self.evidence, self._node_gone)
        self._nodes[name] = node
        with control_inside, evidence_inside:
            await self._control.request(
                "node",
                [control_inside.fileno(), evidence_inside.fileno()],
                name=name,
                index=index,
                count=len(self._names),
                command=views.node_command(name),
                environment={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG": "C.UTF-8",
                    **python.environment,
                },
            )
        await node.boot(self._init.id_map)
        await node.unit("start", "containerd")

    async def _start_kubelets(self) -> None:
        """Start the first kubelet, which starts all else; the nodes' files must all be there by now."""
        for name in self._names:
            changed = functools.partial(self._manifest_changed, name)
            watch = self._cleanup.enter_context(ManifestWatch(self._layout.rootfs(name), changed))
            watching = asyncio.create_task(watch.run())
            self._cleanup.callback(watching.cancel)
            self._manifests[name] = watch
        recorders = [EmbeddedRecorders(self._nodes[name], self._manifests[name]) for name in self._names]
        self._barriers = Barriers(self.evidence, ClusterRecorders(self._names, recorders), self._api)
        await self._nodes[self._names[0]].unit("start", "kubelet")

    async def stop(self) -> None:
        """End every process of the cluster; return when there is none."""
        with suppress(ChannelClosedError):  # by itself, meanwhile
            self._control.post("stop")
        await asyncio.wait({self._keeper})

    def close(self) -> None:
        """Let go of sockets and files."""
        self._joining.cancel()
        self._cleanup.close()
        for node in self._nodes.values():
            node.close()
        self._control.close()
        self.evidence.close()

    async def _make_socket(self) -> socket.socket:
        _, (descriptor,) = await self._control.request("socket")
        return socket.socket(fileno=descriptor)

    def _manifest_changed(self, node: str, path: str, manifest: Manifest | None) -> None:
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


class EmbeddedRecorders:
    """Runtime, journal and manifests of one node, asked whether all they know is in the evidence."""

    def __init__(self, node: EmbeddedNode, manifests: ManifestWatch) -> None:
        self._node = node
        self._manifests = manifests
        self._numbers = itertools.count(1)

    def ways(self) -> Mapping[str, Awaitable[None]]:
        """See `labs.nodes.barrier.Recorders`."""
        self._manifests.scan()
        return {"runtime": self._runtime_answers(), "journal": self._node.sync()}

    def settle(self) -> None:
        """Record what has been sent by now."""
        self._node.drain_evidence()

    async def _runtime_answers(self) -> None:
        if self._node.units.get("containerd.service") in ("inactive", "failed"):
            raise ConnectionRefusedError("the runtime is stopped")
        await self._node.ping_runtime(next(self._numbers))
