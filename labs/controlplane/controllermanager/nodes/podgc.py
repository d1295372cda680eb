"""Removes pods that nobody else will: of nodes that are no more, and old ones by the thousand.

Mirrors `pkg/controller/podgc/gc_controller.go`.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from labs.controlplane import klog
from labs.controlplane.client import STRATEGIC_MERGE_PATCH, ApiError

from ..context import ControllerContext
from ..controller import Controller
from ..kinds import NODES, PODS
from ..objects import Object, created, is_going, key_of, stamp, uid_of
from ..pods import is_finished, node_name

PERIOD_SECONDS = 20.0
#: A node that is missing may be a node that is being made anew.
QUARANTINE = timedelta(seconds=40)


class PodGarbageCollector(Controller):
    """Looks at all pods every twenty seconds."""

    name = "pod-garbage-collector-controller"
    account = "pod-garbage-collector"
    source = "gc_controller.go:172"
    started = ("gc_controller.go:98", '"Starting GC controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._pods = self.informer(PODS)
        self._nodes = self.informer(NODES)
        self._threshold = context.flags.number("terminated-pod-gc-threshold")
        self._missing: dict[str, datetime] = {}

    async def run(self) -> None:
        """Look for ever."""
        await self.start()
        while True:
            await self.collect()
            await asyncio.sleep(PERIOD_SECONDS)

    async def sync(self, key: str) -> None:
        """Nothing is ever queued: everything is looked at each time."""
        raise NotImplementedError

    async def collect(self) -> None:
        """One look."""
        pods = list(self._pods.store)
        ended = sorted((p for p in pods if is_finished(p)), key=created)
        if self._threshold > 0:
            for pod in ended[: max(len(ended) - self._threshold, 0)]:
                await self._delete(pod)
        for pod in pods:
            if is_going(pod) and not node_name(pod):
                await self._delete(pod)
        for name in await self._gone_for_good({node_name(p) for p in pods} - {""}):
            for pod in (p for p in pods if node_name(p) == name):
                klog.info(
                    "gc_controller.go:246",
                    "Found orphaned Pod assigned to the Node, deleting",
                    pod=key_of(pod),
                    node=name,
                )
                await self._delete(pod, "PodGC: node no longer exists")

    async def _gone_for_good(self, names: set[str]) -> list[str]:
        """Nodes that have pods and have not been there for a while; the API server is asked once more."""
        now = self.context.now()
        absent = names - self._nodes.store.keys()
        self._missing = {name: self._missing.get(name, now) for name in absent}
        gone = []
        for name, since in self._missing.items():
            if now - since < QUARANTINE:
                continue
            try:
                await self.client.get(NODES, "", name)
            except ApiError as error:
                if error.not_found:
                    gone.append(name)
        return gone

    async def _delete(self, pod: Object, why: str = "") -> None:
        """Delete a pod at once; one that had not ended has failed."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        try:
            if why and not is_finished(pod):
                await self.client.patch(
                    PODS,
                    namespace,
                    name,
                    self._failed(pod, why),
                    kind=STRATEGIC_MERGE_PATCH,
                    subresource="status",
                )
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid_of(pod)}}
            await self.client.delete(PODS, namespace, name, options)
        except ApiError as error:
            if not error.not_found:
                klog.error(self.source, "Unhandled Error", err=error, logger="UnhandledError")

    def _failed(self, pod: Object, why: str) -> Object:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": why,
            "lastTransitionTime": stamp(self.context.now()),
        }
        return {"metadata": {"uid": uid_of(pod)}, "status": {"phase": "Failed", "conditions": [condition]}}
