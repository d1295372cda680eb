"""The loop: take a pod, find it a node, bind it there, or say why not (`pkg/scheduler/schedule_one.go`)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from labs.controlplane import klog
from labs.controlplane.client import ApiError, Client, Handler, Informers, timestamps
from labs.controlplane.client.events import NORMAL, WARNING, Recorder
from labs.controlplane.client.resources import NAMESPACES, NODES, PODS
from labs.controlplane.client.rest import STRATEGIC_MERGE_PATCH

from .algorithm import Algorithm, FitError
from .cache import Cache, is_terminal
from .config import Configuration
from .nodeinfo import PodInfo
from .plugins import FILTERS
from .preemption import Candidate, preempt
from .queue import QueuedPod, SchedulingQueue

Object = dict[str, Any]
FLUSH_SECONDS = 30.0


class Scheduler:
    """All profiles' pods, one after the other."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        configuration: Configuration,
        recorders: Mapping[str, Recorder],
    ) -> None:
        self._client = client
        self._recorders = recorders
        self.queue = SchedulingQueue(
            first_backoff=configuration.first_backoff, longest_backoff=configuration.longest_backoff
        )
        self._algorithms = {
            profile.name: Algorithm([each for each in FILTERS if each.name not in profile.disabled])
            for profile in configuration.profiles
        }
        self._pods, nodes = informers.of(PODS), informers.of(NODES)
        self._cache = Cache(nodes, informers.of(NAMESPACES), self.queue.move)
        #: Pods to whom preemption has promised a node, by UID.
        self._nominated: dict[str, tuple[str, PodInfo]] = {}
        self._binding: set[asyncio.Task[None]] = set()
        self.attempts: dict[str, int] = defaultdict(int)
        self._pods.subscribe(Handler(self._added, self._changed, self._gone))
        nodes.subscribe(Handler(self._cache.node_added, self._cache.node_changed))

    async def run(self) -> None:
        """Schedule for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._flush())
            while True:
                await self._schedule_one(await self.queue.pop())

    # -- what the API tells
    def _added(self, pod: Object) -> None:
        if is_terminal(pod):
            return
        if pod["spec"].get("nodeName"):
            self._cache.put(pod)
        elif self._responsible(pod):
            info = PodInfo(pod)
            self._nominate(info)
            self.queue.add(info)

    def _changed(self, old: Object, new: Object) -> None:
        uid = new["metadata"]["uid"]
        if old["metadata"]["uid"] != uid:  # deleted and made again while nobody watched
            self._gone(old)
            self._added(new)
        elif is_terminal(new):
            self._gone(new)
        elif new["spec"].get("nodeName"):
            self.queue.remove(uid)
            self._nominated.pop(uid, None)
            self._cache.put(new)
        elif not self._responsible(new):
            self.queue.remove(uid)
        elif uid not in self._cache:
            info = PodInfo(new)
            self._nominate(info)
            own_words = ("status", "managedFields", "resourceVersion", "generation")
            changed = _without(old, own_words) != _without(new, own_words)
            self.queue.update(info, worth_a_try=changed)

    def _gone(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        self.queue.remove(uid)
        self._nominated.pop(uid, None)
        self._cache.remove(pod)

    def _responsible(self, pod: Object) -> bool:
        spec = pod["spec"]
        return spec.get("schedulerName", "default-scheduler") in self._algorithms and not spec.get(
            "schedulingGates"
        )

    def _nominate(self, pod: PodInfo) -> None:
        node = (pod.pod.get("status") or {}).get("nominatedNodeName")
        if node:
            self._nominated[pod.uid] = (node, pod)
        else:
            self._nominated.pop(pod.uid, None)

    # -- one pod
    async def _schedule_one(self, queued: QueuedPod) -> None:
        pod = queued.pod
        recorder = self._recorder(pod)
        if "deletionTimestamp" in pod.pod["metadata"]:
            note = f"skip schedule deleting pod: {pod.key}"
            recorder.act(pod.pod, WARNING, "FailedScheduling", "Scheduling", note)
            return
        snapshot = self._cache.snapshot()
        promised: dict[str, list[PodInfo]] = defaultdict(list)
        for node, other in self._nominated.values():
            promised[node].append(other)
        algorithm = self._algorithms[pod.spec.get("schedulerName", "default-scheduler")]
        try:
            node = algorithm.schedule(pod, snapshot, promised)
        except FitError as error:
            candidate = None
            if error.nodes:
                outcome = preempt(pod, snapshot, error.rejections, algorithm)
                error.preemption, candidate = outcome.message, outcome.candidate
            self.attempts["unschedulable"] += 1
            self.queue.unschedulable(queued, error.plugins)
            if candidate is not None:
                # before anybody else is looked at: the room that is made is this pod's
                self._nominated[pod.uid] = (candidate.node, pod)
            await self._tell(pod, str(error), candidate)
            if candidate is not None:
                await self._evict(pod, candidate)
            return
        self._cache.assume(pod, node)
        self._nominated.pop(pod.uid, None)
        task = asyncio.create_task(self._bind(queued, node))
        self._binding.add(task)
        task.add_done_callback(self._binding.discard)

    async def _bind(self, queued: QueuedPod, node: str) -> None:
        pod = queued.pod
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self._client.create(PODS, pod.namespace, binding, name=pod.name, subresource="binding")
        except ApiError as error:
            self._cache.forget(pod)
            self.attempts["error"] += 1
            if error.not_found:
                return  # the pod has gone meanwhile
            message = f'binding rejected: running Bind plugin "DefaultBinder": {error}'
            klog.error("schedule_one.go:1084", "Error scheduling pod; retrying", err=message, pod=pod.key)
            self.queue.retry(queued)
            await self._tell(pod, message, None, reason="SchedulerError")
            return
        self.attempts["scheduled"] += 1
        note = f"Successfully assigned {pod.key} to {node}"
        self._recorder(pod).act(pod.pod, NORMAL, "Scheduled", "Binding", note)

    async def _tell(
        self, pod: PodInfo, message: str, candidate: Candidate | None, reason: str = "Unschedulable"
    ) -> None:
        """By an event and by the pod's status, why it has no node."""
        self._recorder(pod).act(pod.pod, WARNING, "FailedScheduling", "Scheduling", message)
        conditions = (pod.pod.get("status") or {}).get("conditions") or ()
        known: Object = next((c for c in conditions if c["type"] == "PodScheduled"), {})
        condition: Object = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        if generation := pod.pod["metadata"].get("generation"):
            condition["observedGeneration"] = generation
        status: Object = {}
        if any(known.get(part) != value for part, value in condition.items()):
            since = known.get("lastTransitionTime") if known.get("status") == "False" else None
            condition |= {"lastTransitionTime": since or timestamps.now()}
            status["conditions"] = [{**condition, "lastProbeTime": None}]
        if candidate is not None:
            status["nominatedNodeName"] = candidate.node
        if status:
            await self._patch_status(pod, status)

    async def _patch_status(self, pod: PodInfo, status: Object) -> None:
        patch = {"metadata": {"uid": pod.uid}, "status": status}
        try:
            await self._client.patch(
                PODS, pod.namespace, pod.name, patch, kind=STRATEGIC_MERGE_PATCH, subresource="status"
            )
        except ApiError as error:
            if not error.not_found:
                klog.error("schedule_one.go:1131", "Error updating pod", err=error, pod=pod.key)

    async def _evict(self, pod: PodInfo, candidate: Candidate) -> None:
        """Have the victims go."""
        for victim in candidate.victims:
            name = pod.spec.get("schedulerName", "default-scheduler")
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "PreemptionByScheduler",
                "message": f"{name}: preempting to accommodate a higher priority pod",
                "lastProbeTime": None,
                "lastTransitionTime": timestamps.now(),
            }
            await self._patch_status(victim, {"conditions": [condition]})
            try:
                await self._client.delete(PODS, victim.namespace, victim.name)
            except ApiError as error:
                if not error.not_found:
                    klog.error("preemption.go:195", "Error preempting pod", err=error, pod=victim.key)
                continue
            note = f"Preempted by pod {pod.uid} on node {candidate.node}"
            self._recorder(pod).act(victim.pod, NORMAL, "Preempted", "Preempting", note, related=pod.pod)

    def _recorder(self, pod: PodInfo) -> Recorder:
        return self._recorders[pod.spec.get("schedulerName", "default-scheduler")]

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.queue.flush()


def _without(obj: Object, parts: tuple[str, ...]) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in parts}
    return {"spec": obj["spec"], "metadata": metadata}
