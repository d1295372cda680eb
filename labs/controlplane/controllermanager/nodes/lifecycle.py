"""Notices nodes that are not heard of, and says so in their conditions and taints.

Mirrors `pkg/controller/nodelifecycle/node_lifecycle_controller.go`. Pods are driven out by `taint_eviction`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from labs.controlplane import klog
from labs.controlplane.client import ApiError, Handler
from labs.controlplane.client.events import NORMAL, WARNING

from ..context import ControllerContext
from ..controller import Controller
from ..kinds import LEASES, NODES, PODS
from ..objects import Object, find_condition, key_of, stamp
from ..pods import is_ready, node_name
from . import health

#: Where each node's kubelet keeps its heartbeat.
LEASE_NAMESPACE = "kube-node-lease"
#: Of many nodes that are not heard of, one in so many seconds loses its pods (`--node-eviction-rate`).
SECONDS_BETWEEN_EVICTIONS = 10.0
#: How often the status of a node that others write, too, is tried to be written (`NodeHealthUpdateRetry`).
UPDATES = 5


@dataclass
class _Seen:
    """A node's last sign of life: when it was noticed here, by this machine's clock, and what it was."""

    at: datetime
    ready: Object | None
    renewed: str


class NodeLifecycleController(Controller):
    """Looks at all nodes every few seconds, and at a node whenever it changes; keys are nodes' names."""

    name = "node-lifecycle-controller"
    account = "node-controller"
    source = "node_lifecycle_controller.go:640"
    started = ("node_lifecycle_controller.go:443", '"Starting node controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._nodes = self.informer(NODES)
        self._leases = self.informer(LEASES)
        self._pods = self.informer(PODS)
        self._pods.store.add_index("node", lambda pod: (node_name(pod),))
        self._recorder = context.recorder.named("node-controller")
        self._period = context.flags.seconds("node-monitor-period")
        self._grace = timedelta(seconds=context.flags.seconds("node-monitor-grace-period"))
        self._startup_grace = timedelta(seconds=context.flags.seconds("node-startup-grace-period"))
        self._seen: dict[str, _Seen] = {}
        self._known: dict[str, Object] = {}
        self._zone: health.Zone | None = None
        self._next_eviction: datetime | None = None
        self._nodes.subscribe(Handler(self._look, lambda _, new: self._look(new)))

    def _look(self, node: Object) -> None:
        self.queue.add(key_of(node))

    async def run(self) -> None:
        """Look for ever."""
        await self.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.work(self.sync, self.complain, self.workers))
            group.create_task(self._monitor_for_ever())

    async def _monitor_for_ever(self) -> None:
        while True:
            try:
                await self._monitor()
            except ApiError as error:
                klog.error("node_lifecycle_controller.go:474", "Error monitoring node health", err=error)
            await asyncio.sleep(self._period)

    # -- a node that changed
    async def sync(self, key: str) -> None:
        node = self._nodes.store.by_key(key)
        if node is not None:
            await self._taint(node, health.with_schedule_taints(node, self.context.now()))

    async def _taint(self, node: Object, taints: list[Object]) -> Object:
        if taints == (node["spec"].get("taints") or []):
            return node
        name, version = node["metadata"]["name"], node["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": taints or None}}
        return await self.client.patch(NODES, "", name, patch)

    # -- all nodes
    async def _monitor(self) -> None:
        nodes = list(self._nodes.store)
        present = {node["metadata"]["name"]: node for node in nodes}
        for name in present.keys() - self._known.keys():
            text = f"Node {name} event: Registered Node {name} in Controller"
            self._recorder.event(_by_name(present[name]), NORMAL, "RegisteredNode", text)
        for name in self._known.keys() - present.keys():
            text = f"Node {name} event: Removing Node {name} from Controller"
            self._recorder.event(_by_name(self._known[name]), NORMAL, "RemovingNode", text)
            self._seen.pop(name, None)
        self._known = present
        looked_at = []
        for node in nodes:
            try:
                looked_at.append(await self._check(node))
            except ApiError as error:
                text = "Update health of Node from Controller error, Skipping - no pods will be evicted"
                klog.error("node_lifecycle_controller.go:711", text, err=error, node=key_of(node))
        self._note_zone(looked_at)
        for node in looked_at:
            await self._drive_out(node)

    async def _check(self, node: Object) -> Object:
        """Notice a sign of life, or that there was none for too long; returns the node as it is then."""
        name, now = node["metadata"]["name"], self.context.now()
        lease = self._leases.store.get(LEASE_NAMESPACE, name) or {}
        renewed = str((lease.get("spec") or {}).get("renewTime", ""))
        ready = find_condition(node, "Ready")
        seen = self._seen.get(name)
        if seen is None:
            text = "Missing timestamp for Node. Assuming now as a timestamp"
            klog.info("node_lifecycle_controller.go:869", text, node=name)
            seen = self._seen[name] = _Seen(now, ready, renewed)
        elif (ready, renewed) != (seen.ready, seen.renewed):
            # Written by ourselves, `Unknown` is no sign of life.
            alive = renewed != seen.renewed or (ready is not None and ready["status"] != "Unknown")
            seen = self._seen[name] = _Seen(now if alive else seen.at, ready, renewed)
        if now - seen.at <= (self._grace if ready else self._startup_grace):
            return node
        was = health.ready_status(node)
        changed = await self._write_silence(node, now)
        seen.ready = find_condition(changed, "Ready")
        if changed is not node and (was == "True" or ready is None):
            await self._mark_pods(changed)
            text = f"Node {name} status is now: NodeNotReady"
            self._recorder.event(_by_name(changed), NORMAL, "NodeNotReady", text)
        return changed

    async def _write_silence(self, node: Object, now: datetime) -> Object:
        """The node, its conditions unknown; whoever else writes it meanwhile is let go first."""
        latest = node
        for left in reversed(range(UPDATES)):
            status = health.not_heard_of(latest, now)
            if status == (latest.get("status") or {}):
                return latest
            try:
                return await self.client.update(NODES, {**latest, "status": status}, subresource="status")
            except ApiError as error:
                if not error.conflict or not left:
                    raise
                latest = await self.client.get(NODES, "", node["metadata"]["name"])
        return latest

    async def _mark_pods(self, node: Object) -> None:
        """Pods of a node that is not heard of are not ready, whatever they last said."""
        now = stamp(self.context.now())
        for pod in self._pods.store.index("node", node["metadata"]["name"]):
            if not is_ready(pod):
                continue
            conditions = [
                {**c, "status": "False", "lastTransitionTime": now} if c["type"] == "Ready" else c
                for c in pod["status"]["conditions"]
            ]
            new = {**pod, "status": {**pod["status"], "conditions": conditions}}
            try:
                await self.client.update(PODS, new, subresource="status")
            except ApiError as error:
                if not (error.not_found or error.conflict):
                    raise
            else:
                self._recorder.event(pod, WARNING, "NodeNotReady", "Node is not ready")

    def _note_zone(self, nodes: list[Object]) -> None:
        """When no node is heard of, the fault is ours: then nobody's pods are driven out."""
        state = health.zone_state(nodes)
        if nodes and state != self._zone:
            klog.info(
                "node_lifecycle_controller.go:1063",
                "Controller detected that zone is now in new state",
                zone="",
                newState=state.value,
            )
            if state is health.Zone.FULL:
                klog.info(
                    "node_lifecycle_controller.go:1103",
                    '"Controller detected that all Nodes are not-Ready. Entering master disruption mode"',
                )
            elif self._zone is health.Zone.FULL:
                klog.info(
                    "node_lifecycle_controller.go:1118",
                    '"Controller detected that some Nodes are Ready. Exiting master disruption mode"',
                )
                now = self.context.now()
                for seen in self._seen.values():
                    seen.at = now
            self._zone = state

    async def _drive_out(self, node: Object) -> None:
        now = self.context.now()
        evict = self._zone is health.Zone.NORMAL
        wanted = health.with_execute_taint(node, now, evict=evict)
        if self._zone is health.Zone.PARTIAL and health.ready_status(node) != "True":
            return
        if len(wanted) > len(node["spec"].get("taints") or []):
            if self._next_eviction and now < self._next_eviction:
                return
            self._next_eviction = now + timedelta(seconds=SECONDS_BETWEEN_EVICTIONS)
        await self._taint(node, wanted)


def _by_name(node: Object) -> Object:
    """Events of a node refer to it by name alone, as the kubelet's own do."""
    metadata = node["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
    }
