"""Whom of the pods the node takes in, and what makes room for them (`allocation/allocation_manager.go`)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from labs.kubelet import klog
from labs.kubelet.admission import Preemption, Rejection, Room, admit
from labs.kubelet.events import WARNING, EventRecorder
from labs.kubelet.pod.model import TERMINAL_PHASES, Pod
from labs.kubelet.pod_syncer import PodSyncer
from labs.kubelet.pod_workers import Phase, PodWorkers
from labs.kubelet.preemption import DISRUPTION, MESSAGE, REASON
from labs.kubelet.status import Eviction


class Allocation:
    """Has pods run that the node takes, refuses the others, and stops those that must make room."""

    def __init__(
        self,
        room: Room,
        workers: PodWorkers,
        syncer: PodSyncer,
        events: EventRecorder,
        is_wanted: Callable[[Pod], bool],
    ) -> None:
        """`is_wanted` tells whether a source still asks for exactly this pod."""
        self._room = room
        self._workers = workers
        self._syncer = syncer
        self._events = events
        self._is_wanted = is_wanted
        self._rejected: set[str] = set()
        self._preempting: set[asyncio.Task[None]] = set()

    def node_is(self, labels: Mapping[str, str], taints: Sequence[Any]) -> None:
        """What the API says of the node: pods that come from now on are judged by it."""
        self._room = replace(self._room, labels=labels, taints=tuple(taints))

    def admit(self, pod: Pod, others: list[Pod]) -> None:
        """Have a new pod run beside `others`, if the node takes it; one that is over takes nothing of it."""
        match None if pod.is_deleted or pod.is_over else admit(pod, others, self._room):
            case None:
                self._workers.update(pod)
            case Rejection() as rejection:
                self._reject(pod, rejection)
            case Preemption(victims):
                for victim in victims:
                    self._preempt(victim)
                task = asyncio.create_task(self._admit_after(pod, victims))
                self._preempting.add(task)
                task.add_done_callback(self._preempting.discard)

    def update(self, pod: Pod) -> None:
        """A pod that changed; one that was refused stays so until it goes."""
        if pod.uid not in self._rejected or pod.is_deleted:
            self._workers.update(pod)

    def forget(self, uid: str) -> None:
        """No source asks for the pod any more."""
        if uid in self._rejected:
            self._rejected.remove(uid)
            self._syncer.forget(uid)

    def is_active(self, pod: Pod) -> bool:
        """Whether a pod holds what it was given: it is neither refused nor over."""
        worker = self._workers.get(pod.uid)
        gone = worker is not None and worker.phase is Phase.TERMINATED
        if gone or pod.uid in self._rejected:
            return False
        over = self._syncer.status_of(pod).get("phase") in TERMINAL_PHASES
        return not over or self._syncer.runs(pod)

    async def close(self) -> None:
        """Wait for nobody to go any more."""
        for task in self._preempting:
            task.cancel()
        await asyncio.gather(*self._preempting, return_exceptions=True)

    def _preempt(self, pod: Pod) -> None:
        self._events.pod(pod, WARNING, REASON, MESSAGE)
        self._syncer.evict(pod, Eviction(REASON, MESSAGE, DISRUPTION))
        self._workers.stop(pod.uid)

    async def _admit_after(self, pod: Pod, victims: tuple[Pod, ...]) -> None:
        """Start a pod when those that had to make room for it have stopped."""
        for victim in victims:
            worker = self._workers.get(victim.uid)
            if worker is not None and worker.task is not None:
                await asyncio.wait((worker.task,))
        if self._is_wanted(pod):
            self._workers.update(pod)

    def _reject(self, pod: Pod, rejection: Rejection) -> None:
        """Refuse a pod for as long as its manifest stays as it is."""
        reason, message = rejection.reason, rejection.message
        if reason == "UnexpectedAdmissionError":
            what = "unexpected error while attempting to recover from admission failure"
            why = message.partition(": ")[2]
            klog.info("predicate.go:194", f"Failed to admit pod, {what}", pod=pod.ref, err=why)
        klog.info(
            "allocation_manager.go:619", "Pod admission denied", podUID=pod.uid, pod=pod.ref, reason=reason,
            message=message, operation="add",
        )  # fmt: skip
        self._rejected.add(pod.uid)
        self._events.pod(pod, WARNING, reason, message)
        self._syncer.reject(pod, reason, f"Pod was rejected: {message}")
