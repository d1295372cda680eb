"""What the runtime and the disk still hold of pods that are gone (`kuberuntime_gc.go`)."""

from collections.abc import Callable
from typing import Protocol

from cri_api.v1 import api_pb2 as api

from labs.kubelet import klog
from labs.kubelet.cgroups import Cgroups
from labs.kubelet.cri import CriError
from labs.kubelet.events import WARNING, EventRecorder
from labs.kubelet.hostfs import reason_of
from labs.kubelet.logs import ContainerLogs
from labs.kubelet.runtime_status import POD_UID
from labs.kubelet.volumes import Volumes


class Runtime(Protocol):
    """What collecting needs of the runtime."""

    async def list_sandboxes(self, labels: dict[str, str] | None = None) -> list[api.PodSandbox]: ...
    async def list_containers(self, labels: dict[str, str] | None = None) -> list[api.Container]: ...
    async def stop_sandbox(self, sandbox: str) -> None: ...
    async def remove_sandbox(self, sandbox: str) -> None: ...
    async def remove_container(self, container: str) -> None: ...


class GarbageCollector:
    """Removes containers, sandboxes, log directories, pod directories and cgroups that nothing needs."""

    def __init__(
        self, cri: Runtime, volumes: Volumes, logs: ContainerLogs, cgroups: Cgroups, events: EventRecorder
    ) -> None:
        self._cri = cri
        self._events = events
        self._cgroups = cgroups
        self._volumes = volumes
        self._logs = logs

    async def collect(self, live: Callable[[], set[str]]) -> None:
        """One round; `live` tells the UIDs of the pods that have a worker, which may come at any time."""
        try:
            await self._collect_runtime(live)
        except CriError as error:
            klog.error("kubelet.go:1713", "Container garbage collection failed", error)
            self._events.node(WARNING, "ContainerGCFailed", str(error))
            return
        for uid, path in self._logs.directories().items():
            if uid not in live():
                self._logs.remove_directory(path)
        self._logs.remove_dead_links()
        for uid in self._volumes.known():
            if uid not in live():
                self.remove_directory(uid)
        self._cgroups.remove_orphans(live())

    def remove_directory(self, uid: str) -> bool:
        """Take a pod's directory away; False when a volume is still in use, which keeps nobody waiting."""
        try:
            self._volumes.remove(uid)
        except OSError as error:
            why = f"{error.filename}: {reason_of(error)}"
            cause = f'orphaned pod "{uid}" found, but failed to rmdir() volume at path {why}'
            message = "There were many similar errors. Turn up verbosity to see them."
            klog.error("kubelet_volumes.go:263", message, cause, numErrs=1)
            return False
        return True

    async def _collect_runtime(self, live: Callable[[], set[str]]) -> None:
        containers = await self._cri.list_containers()
        for container in containers:
            # one that was made and never started counts, too
            dead, ours = container.state != api.CONTAINER_RUNNING, POD_UID in container.labels
            if dead and ours and container.labels[POD_UID] not in live():
                klog.info("scope.go:122", "RemoveContainer", containerID=container.id)
                await self._cri.remove_container(container.id)
        used = {c.pod_sandbox_id for c in await self._cri.list_containers()}
        sandboxes = sorted(await self._cri.list_sandboxes(), key=lambda s: -s.created_at)
        newest: set[str] = set()
        for sandbox in sandboxes:
            uid = sandbox.labels.get(POD_UID)
            if uid is None:
                continue
            first = uid not in newest
            newest.add(uid)
            if sandbox.state == api.SANDBOX_READY or sandbox.id in used or (first and uid in live()):
                continue
            await self._cri.stop_sandbox(sandbox.id)
            await self._cri.remove_sandbox(sandbox.id)
