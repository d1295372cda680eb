"""Tells kubelets how long they may keep a ConfigMap or Secret (`pkg/controller/ttl/ttl_controller.go`)."""

from __future__ import annotations

from labs.controlplane.client import Handler

from ..context import ControllerContext
from ..controller import Controller
from ..kinds import NODES
from ..objects import Object, annotation, key_of

ANNOTATION = "node.alpha.kubernetes.io/ttl"
#: From so many nodes on, so many seconds; with fewer nodes a kubelet asks anew each time.
_STEPS = ((100, 0), (500, 15), (1000, 30), (2000, 60))
_LONGEST = 300


def ttl_for(nodes: int) -> int:
    """Seconds that a kubelet of a cluster of so many nodes may keep an object."""
    return next((seconds for limit, seconds in _STEPS if nodes <= limit), _LONGEST)


class TTLController(Controller):
    """The loop; keys are nodes' names."""

    name = "ttl-controller"
    account = "ttl-controller"
    source = "ttl_controller.go:214"
    started = ("ttl_controller.go:127", '"Starting TTL controller"')
    workers = 1

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._nodes = self.informer(NODES)
        self._nodes.subscribe(Handler(self._look, lambda _, new: self._look(new)))

    def _look(self, node: Object) -> None:
        if annotation(node, ANNOTATION) != self._wanted():
            self.queue.add(key_of(node))

    def _wanted(self) -> str:
        return str(ttl_for(len(self._nodes.store)))

    async def sync(self, key: str) -> None:
        node = self._nodes.store.by_key(key)
        if node is not None and annotation(node, ANNOTATION) != self._wanted():
            patch = {"metadata": {"annotations": {ANNOTATION: self._wanted()}}}
            await self.client.patch(NODES, "", key, patch)
