"""A cluster that is up: its nodes, its evidence, and the ways into it, held together for the sockets.

What each backend makes of it is in `labs.nodes.embedded_running` and `labs.nodes.kind.running`.
"""

import asyncio
import http
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labs.nodes.barrier import ApiProbe, Barriers
from labs.nodes.base import Node
from labs.nodes.channel import ChannelClosedError
from labs.nodes.evidence import Evidence
from labs.nodes.layout import Layout
from labs.nodes.progress import Progress
from labs.nodes.spec import Spec

#: How often the API is asked whether a node has joined, and how long it may take to say so.
_JOIN_SECONDS, _ASK_SECONDS = 0.05, 2.0


class RunningCluster(ABC):
    """The cluster as the supervisor has it, from the first process to the last."""

    _nodes: Mapping[str, Node]
    _api: ApiProbe

    def __init__(self, layout: Layout, on_end: Callable[[str], None]) -> None:
        """`on_end` is told why the cluster is no more, or is to be."""
        self._layout = layout
        self._on_end = on_end
        self._spec = Spec.load(layout.directory)
        self._barriers: Barriers | None = None
        self.evidence = Evidence(layout.evidence)

    @abstractmethod
    async def start(self, progress: Progress) -> None:
        """Start the node and all its units, telling each stage. `OSError` when the node does not start."""

    @abstractmethod
    async def serve(self) -> None:
        """Do what the started cluster needs done while it is up, until cancelled."""

    @abstractmethod
    async def stop(self) -> None:
        """End what must not outlive the supervisor; return when it has ended."""

    @abstractmethod
    def close(self) -> None:
        """Let go of sockets and files."""

    async def renew(self) -> None:
        """Make the nodes anew under their names. `OSError` when they do not start, or this cannot be done."""
        name = self._layout.cluster
        raise OSError(f"nodes of this backend are not renewed: 'labs down {name}', then 'labs up {name}'")

    async def join(self) -> None:
        """Start the workers' kubelets in the order of their numbers, each when the one before has a Node.

        The controller manager gives out the ranges of the pods' addresses in that order, and the nodes'
        networks are laid by it.
        """
        for before, name in itertools.pairwise(self._layout.node_names(self._spec.workers)):
            while not await self._is_registered(before):  # noqa: ASYNC110 - an API server comes up unannounced
                await asyncio.sleep(_JOIN_SECONDS)
            await self._nodes[name].unit("start", "kubelet")

    async def _is_registered(self, node: str) -> bool:
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                return await self._api.get(f"/api/v1/nodes/{node}") == http.HTTPStatus.OK
        except OSError:  # a timeout is one, too
            return False

    @property
    @abstractmethod
    def port(self) -> int:
        """The port of the host that leads to the API server."""

    def node(self, name: str | None) -> Node:
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
            "engine": self._spec.engine,
            "backend": self._spec.backend,
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
