"""Pod life-cycle events: notices what changed in the runtime (`pkg/kubelet/pleg`).

Follows the runtime's container events where it has them (CRI GetContainerEvents) and compares full lists
otherwise, every second; with events the comparison is only a safety net. Tells `changed(uid)`, but not of
what a sync of the pod has done and seen itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from cri_api.v1 import api_pb2 as api

from labs.kubelet import klog
from labs.kubelet.cri import CriError
from labs.kubelet.runtime_status import POD_NAME, POD_NAMESPACE, POD_UID, PodStatus

RELIST_PERIOD = 1.0
RELIST_PERIOD_WITH_EVENTS = 30.0


class Runtime(Protocol):
    """What noticing needs of the runtime."""

    async def list_sandboxes(self, labels: dict[str, str] | None = None) -> list[api.PodSandbox]: ...
    async def list_containers(self, labels: dict[str, str] | None = None) -> list[api.Container]: ...
    def events(self) -> AsyncIterator[api.ContainerEventResponse]: ...


@dataclass
class RuntimePod:
    """What a list says of one pod: object ids with their states."""

    uid: str
    name: str
    namespace: str
    objects: dict[str, int] = field(default_factory=dict)
    running: bool = False


class Pleg:
    """Relists and follows events; `pods` is the last list."""

    def __init__(
        self,
        cri: Runtime,
        changed: Callable[[str], None],
        relisted: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`relisted` is told how many seconds each list took."""
        self._cri = cri
        self._changed = changed
        self._relisted = relisted
        self.pods: dict[str, RuntimePod] = {}
        #: Why the last list failed.
        self.failure: CriError | None = None
        self._listed = False
        self._evented = False
        #: What was told of pods that are being synced: object ids with their states.
        self._held: dict[str, dict[str, int] | None] = {}

    @property
    def healthy(self) -> bool:
        """Whether the last list succeeded."""
        return self._listed and self.failure is None

    @contextmanager
    def syncing(self, uid: str) -> Iterator[None]:
        """Keep what is told of a pod until its sync is over, and drop it if the sync has seen the same."""
        self._held[uid] = None
        try:
            yield
        finally:
            told = self._held.pop(uid)
            if told is not None:
                self._tell(uid, told)

    def _tell(self, uid: str, objects: dict[str, int]) -> None:
        if uid in self._held:
            self._held[uid] = objects
        elif uid not in self.pods or self.pods[uid].objects != objects:
            self._changed(uid)

    async def relist(self) -> None:
        """Compare all of the runtime with the last list. Raises CriError."""
        began = time.monotonic()
        try:
            sandboxes = await self._cri.list_sandboxes()
            containers = await self._cri.list_containers()
        except CriError as error:
            self.failure = error
            raise
        pods: dict[str, RuntimePod] = {}

        def of(labels: Mapping[str, str]) -> RuntimePod | None:
            uid = labels.get(POD_UID)
            if not uid:
                return None
            return pods.setdefault(
                uid, RuntimePod(uid, labels.get(POD_NAME, ""), labels.get(POD_NAMESPACE, ""))
            )

        for sandbox in sandboxes:
            if pod := of(sandbox.labels):
                pod.objects[sandbox.id] = sandbox.state
                pod.running |= sandbox.state == api.SANDBOX_READY
        for container in containers:
            if pod := of(container.labels):
                pod.objects[container.id] = container.state
                pod.running |= container.state == api.CONTAINER_RUNNING
        self._relisted(time.monotonic() - began)
        before, self.pods = self.pods, pods
        self.failure = None
        first, self._listed = not self._listed, True
        if first:
            return
        for uid, pod in pods.items():
            known = before[uid].objects if uid in before else {}
            if any(known.get(key) != state for key, state in pod.objects.items()):
                self._changed(uid)

    def observe(self, status: PodStatus) -> None:
        """What a sync has just read itself is no news any more."""
        pod = self.pods.setdefault(status.uid, RuntimePod(status.uid, status.name, status.namespace))
        states = {True: api.SANDBOX_READY, False: api.SANDBOX_NOTREADY}
        pod.objects = {s.id: states[s.ready] for s in status.sandboxes}
        pod.objects |= {c.id: c.state.value for c in status.containers}
        pod.running = bool(status.running) or any(s.ready for s in status.sandboxes)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            while True:
                await asyncio.sleep(RELIST_PERIOD_WITH_EVENTS if self._evented else RELIST_PERIOD)
                try:
                    await self.relist()
                except CriError as error:
                    klog.error("generic.go:312", "GenericPLEG: Unable to retrieve pods", error)

    async def _follow(self) -> None:
        while True:
            try:
                async for event in self._cri.events():
                    self._evented = True
                    uid = event.pod_sandbox_status.metadata.uid
                    if uid:
                        self._tell(uid, _objects_of(event))
            except CriError as error:
                self._evented = False
                if error.code == "Unimplemented":
                    return
            await asyncio.sleep(RELIST_PERIOD)


def _objects_of(event: api.ContainerEventResponse) -> dict[str, int]:
    """All of the pod as it was when the event happened."""
    states = {status.id: status.state for status in event.containers_statuses}
    return {event.pod_sandbox_status.id: event.pod_sandbox_status.state, **states}
