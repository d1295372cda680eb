"""Waiting for a pod's volumes (`volumemanager.WaitForAttachAndMount`, `nestedpendingoperations`).

What fails is tried again after 0.5 s, 1 s, 2 s and so on up to 2m2s; the sync waits 2m3s for it. A volume
that has files already keeps them: that they cannot be renewed is told, and keeps nobody waiting.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from labs.golang.duration import go_duration
from labs.kubelet import klog
from labs.kubelet.api_objects import ApiObjects, volume_references
from labs.kubelet.events import WARNING, EventRecorder
from labs.kubelet.pod.model import Pod
from labs.kubelet.sync_errors import SyncError
from labs.kubelet.volumes import VolumeError, Volumes, mounted, unique_name

PATIENCE = 123.0
FIRST_RETRY, LAST_RETRY = 0.5, 122.0


class Mounter:
    """Sets up volumes of pods, again and again where it fails."""

    def __init__(
        self, volumes: Volumes, objects: ApiObjects, events: EventRecorder, now: Callable[[], datetime]
    ) -> None:
        self._volumes = volumes
        self._objects = objects
        self._events = events
        self._now = now
        self._began = now()
        #: UID -> how long the last failure waits, and until when on the loop's clock
        self._waits: dict[str, tuple[float, float]] = {}
        #: UIDs of the pods whose volumes have been told of.
        self._told: set[str] = set()

    async def mount(self, pod: Pod) -> None:
        """Set up every volume that is mounted. Raises SyncError after PATIENCE seconds."""
        self._tell(pod)
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        while True:
            delay, until = self._waits.get(pod.uid, (0.0, 0.0))
            await asyncio.sleep(max(0.0, min(until, end) - loop.time()))
            failures = self._volumes.prepare(pod, await self._objects.fetch(pod, *volume_references(pod)))
            missing = [f.volume for f in failures if not self._volumes.is_filled(pod, f.volume)]
            if missing and until > end:
                listed = " ".join(sorted(missing))
                why = f"unmounted volumes=[{listed}], unattached volumes=[], failed to process volumes=[]"
                raise SyncError(f"{why}: context deadline exceeded")
            delay = min(delay * 2, LAST_RETRY) or FIRST_RETRY
            for failure in failures:
                self._failed(pod, failure, delay)
            if not missing:
                self._waits.pop(pod.uid, None)
                return
            self._waits[pod.uid] = (delay, loop.time() + delay)

    def _tell(self, pod: Pod) -> None:
        if pod.uid in self._told:
            return
        self._told.add(pod.uid)
        for volume in mounted(pod):
            unique = unique_name(pod, volume)
            klog.info(
                "reconciler_common.go:251",
                "operationExecutor.VerifyControllerAttachedVolume started for volume "
                f'"{volume.name}" (UniqueName: "{unique}") pod "{pod.name}" (UID: "{pod.uid}") ',
                pod=pod.ref,
            )

    def _failed(self, pod: Pod, error: VolumeError, delay: float) -> None:
        what = f'MountVolume.SetUp failed for volume "{error.volume}"'
        at = self._now() + timedelta(seconds=delay)
        clock = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}000 +0000 UTC"
        mono = (at - self._began).total_seconds()
        klog.plain(
            "E",
            "nestedpendingoperations.go:348",
            f'Operation for "{{volumeName:{error.unique} podName:{pod.uid} nodeName:}}" failed. No retries '
            f"permitted until {clock} m=+{mono:.9f} (durationBeforeRetry {go_duration(delay)}). Error: "
            f'{what} (UniqueName: "{error.unique}") pod "{pod.name}" (UID: "{pod.uid}") : {error}',
        )
        self._events.pod(pod, WARNING, "FailedMount", f"{what} : {error}")

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        self._waits.pop(uid, None)
        self._told.discard(uid)
        self._objects.forget(uid)
