"""One task per pod, from its first sync to its last (`pkg/kubelet/pod_workers.go`).

A worker syncs its pod when woken and at least every `syncFrequency` (stretched by up to half, so 60-90 s),
after an error every 10-15 s, or when a crashed container's back-off ends. Told to stop, it drops what it is
doing, terminates the pod and ends. A static pod with the same full name as an older one asks every few
seconds whether that one has terminated. A static pod that comes back under the same UID while it is still
terminating is started anew afterwards. A pod of the API ends once: its worker is kept, and does nothing,
until the source drops it.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from enum import Enum
from typing import Any, Protocol, TypeVar

from labs.kubelet import klog
from labs.kubelet.pod.model import Pod
from labs.kubelet.sync_errors import SyncError

T = TypeVar("T")

ERROR_BACKOFF = 10.0
JITTER = 0.5
#: A pod whose name is still taken asks again after this. Upstream waits 10-15 s; as there, a pod that is
#: replaced before it could start is never seen.
TURN_RETRY = 4.0


class Syncer(Protocol):
    """What is done to one pod. All may raise SyncError, upon which they are tried again."""

    async def sync(self, pod: Pod) -> None: ...
    async def terminate(self, pod: Pod) -> None: ...
    async def terminated(self, pod: Pod, wanted: bool, coming_back: bool) -> None: ...


class Phase(Enum):
    WAITING = "waiting for an older pod of the same name"
    SYNCING = "syncing"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


class PodWorker:
    """The life of one pod UID."""

    def __init__(self, pod: Pod, syncer: Syncer, period: float) -> None:
        self.pod = pod
        self.phase = Phase.WAITING
        #: The pod to start when this one has terminated: same UID, put back meanwhile.
        self.restart_requested: Pod | None = None
        #: Whether a source still asks for the pod.
        self.wanted = True
        self.task: asyncio.Task[None] | None = None
        self._syncer = syncer
        self._period = period
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()

    def wake(self) -> None:
        """Sync soon."""
        self._wake.set()

    def stop(self) -> None:
        """Terminate the pod."""
        self._stop.set()

    def update(self, pod: Pod) -> None:
        """The pod as its source has it now; deleted in the API, it is terminated.

        A termination that has begun keeps its grace period, as measured on the real kubelet.
        """
        self.pod = pod
        if pod.is_deleted:
            self.stop()
        self.wake()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    async def run(self) -> None:
        """Sync until stopped, then terminate."""
        self.phase = Phase.SYNCING
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while not self.stopping:
                self._wake.clear()
                delay = await _until_stopped(stopped, self._sync())
                if delay is not None:
                    await _until_stopped(stopped, self._wake.wait(), delay)
        finally:
            stopped.cancel()
        self.phase = Phase.TERMINATING
        await self._insist(self._syncer.terminate)
        await self._insist(self._conclude)
        self.phase = Phase.TERMINATED

    async def _conclude(self, pod: Pod) -> None:
        await self._syncer.terminated(pod, self.wanted, self.restart_requested is not None)

    async def _sync(self) -> float:
        """One sync; the seconds until the next."""
        try:
            await self._syncer.sync(self.pod)
        except Exception as error:
            self._failed(error)
            wait = error.retry_after if isinstance(error, SyncError) else None
            wait = ERROR_BACKOFF if wait is None else min(max(0.0, wait), self._period)
            return wait * (1 + JITTER * random.random())
        return self._period * (1 + JITTER * random.random())

    async def _insist(self, step: Callable[[Pod], Awaitable[None]]) -> None:
        while True:
            try:
                await step(self.pod)
                return
            except Exception as error:
                self._failed(error)
                await asyncio.sleep(ERROR_BACKOFF * (1 + JITTER * random.random()))

    def _failed(self, error: Exception) -> None:
        """A pod that cannot be synced, for whatever reason, is this pod's trouble only."""
        if not isinstance(error, SyncError):
            klog.error("pod_workers.go:1324", "Observed a panic", repr(error), pod=self.pod.ref)
        klog.error(
            "pod_workers.go:1324", "Error syncing pod, skipping", error, pod=self.pod.ref, podUID=self.pod.uid
        )


async def _until_stopped(
    stopped: asyncio.Task[Any], work: Coroutine[Any, Any, T], limit: float | None = None
) -> T | None:
    """What comes of some work, or None when it was dropped: the pod stops, or its time is over."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait((task, stopped), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return None if task.cancelled() else task.result()


class PodWorkers:
    """All workers, by UID."""

    def __init__(self, syncer: Syncer, period: float, ended: Callable[[], None]) -> None:
        self._syncer = syncer
        self._period = period
        self._ended = ended
        self._workers: dict[str, PodWorker] = {}
        #: full name -> UIDs in the order they came; the first one may run
        self._turns: dict[str, list[str]] = {}
        self._asking: dict[str, asyncio.TimerHandle] = {}

    def get(self, uid: str) -> PodWorker | None:
        return self._workers.get(uid)

    def pods(self) -> list[Pod]:
        """The pods that run, wait to run or still stop."""
        return [w.pod for w in self._workers.values()]

    def all(self) -> Iterable[PodWorker]:
        """Every worker there is."""
        return self._workers.values()

    def held(self) -> set[str]:
        """The full names of the pods that are not yet terminated."""
        return {w.pod.full_name for w in self._workers.values() if w.phase is not Phase.TERMINATED}

    def update(self, pod: Pod) -> None:
        """A pod to run, new or changed in place."""
        worker = self._workers.get(pod.uid)
        if worker is None:
            self._add(pod)
        elif worker.stopping and pod.is_static:
            worker.restart_requested = pod
            worker.wanted = True
        else:
            worker.update(pod)

    def terminate(self, pod: Pod) -> None:
        """A pod that runs without having been asked for: stop it, and let none of its name start before."""
        if pod.uid not in self._workers:
            self._workers[pod.uid] = worker = PodWorker(pod, self._syncer, self._period)
            self._turns.setdefault(pod.full_name, []).insert(0, pod.uid)
            worker.wanted = False
            worker.stop()
            self._start(pod.uid)

    def stop(self, uid: str) -> None:
        """End a pod that its source still asks for."""
        self._workers[uid].stop()

    def _add(self, pod: Pod) -> None:
        self._workers[pod.uid] = worker = PodWorker(pod, self._syncer, self._period)
        if not pod.is_static:
            if pod.is_deleted:
                worker.stop()
            self._start(pod.uid)
            return
        turns = self._turns.setdefault(pod.full_name, [])
        turns.append(pod.uid)
        self._ask(pod.uid)

    def _ask(self, uid: str) -> None:
        """Start a pod if those before it have terminated; else ask again later.

        They need not be forgotten: while a source has not been seen, as that of an API which cannot be
        reached, none is (`completeTerminated`).
        """
        before = itertools.takewhile(
            lambda other: other != uid, self._turns[self._workers[uid].pod.full_name]
        )
        if all(self._workers[other].phase is Phase.TERMINATED for other in before):
            self._asking.pop(uid, None)
            self._start(uid)
        else:
            self._asking[uid] = asyncio.get_running_loop().call_later(TURN_RETRY, self._ask, uid)

    def _start(self, uid: str) -> None:
        worker = self._workers[uid]
        worker.task = asyncio.create_task(worker.run(), name=f"pod {worker.pod.ref}")
        worker.task.add_done_callback(lambda _: self._ended())

    def remove(self, uid: str) -> None:
        """A pod to stop."""
        worker = self._workers.get(uid)
        if worker is None:
            return
        worker.restart_requested = None
        worker.wanted = False
        if worker.task is None:
            self._forget(worker)
        else:
            worker.stop()

    def wake(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def forget_terminated(self) -> Iterable[str]:
        """Drop the workers that are done, so that others of their names may start; the UIDs gone for good."""
        gone = []
        for uid, worker in list(self._workers.items()):
            if worker.phase is not Phase.TERMINATED or (worker.wanted and worker.restart_requested is None):
                continue
            again = worker.restart_requested
            self._forget(worker)
            if again is not None:
                self._add(again)
            else:
                gone.append(uid)
        return gone

    def _forget(self, worker: PodWorker) -> None:
        uid, name = worker.pod.uid, worker.pod.full_name
        del self._workers[uid]
        if asking := self._asking.pop(uid, None):
            asking.cancel()
        turns = self._turns.get(name, [])
        if uid in turns:
            turns.remove(uid)
        if not turns:
            self._turns.pop(name, None)

    async def close(self) -> None:
        """End the tasks; containers are left as they are."""
        for asking in self._asking.values():
            asking.cancel()
        tasks = [w.task for w in self._workers.values() if w.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
