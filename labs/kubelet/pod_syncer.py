"""One pod brought to what it should be, or taken away: SyncPod, SyncTerminatingPod, SyncTerminatedPod.

Called by the pod's worker. Reads the runtime, plans (`actions`), has the plan done (`runtime_manager`), and
tells status, mirror and probes what came of it. Nothing here needs the API.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from labs.kubelet import klog, pull_secrets
from labs.kubelet.actions import Actions, compute_actions
from labs.kubelet.api_objects import ApiObjects
from labs.kubelet.cri import CriError
from labs.kubelet.events import NORMAL, WARNING, EventRecorder
from labs.kubelet.hostfs import HostFs
from labs.kubelet.images import ImageManager
from labs.kubelet.mirror import Json, Mirrors
from labs.kubelet.mounting import Mounter
from labs.kubelet.pleg import RELIST_PERIOD, Pleg
from labs.kubelet.pod.model import Pod
from labs.kubelet.probes import ProbeManager
from labs.kubelet.runtime_manager import PodRuntime
from labs.kubelet.runtime_status import PodStatus, Reader, State, read_pod_status
from labs.kubelet.status import Eviction, Inputs, concluded, generate, still_running
from labs.kubelet.status_manager import StatusManager
from labs.kubelet.sync_errors import NetworkError, SyncError, joined
from labs.kubelet.termination_message import termination_message

#: How long starting a pod waits for an unresponsive API to replace its mirror.
MIRROR_PATIENCE = 1.0
DEADLINE = Eviction("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
#: Dead containers kept per name, for `lastState` and `kubectl logs --previous`.
KEPT_DEAD = 1


class PodSyncer:
    """Everything one pod needs, put together."""

    def __init__(
        self,
        cri: Reader,
        runtime: PodRuntime,
        images: ImageManager,
        mounter: Mounter,
        objects: ApiObjects,
        probes: ProbeManager,
        statuses: StatusManager | None,
        mirrors: Mirrors | None,
        events: EventRecorder,
        fs: HostFs,
        host_ips: tuple[str, ...],
        network_ready: Callable[[], str],
        pleg: Pleg,
        wake: Callable[[str], None],
        runtime_name: str,
        now: Callable[[], datetime],
    ) -> None:
        self._cri = cri
        self._runtime = runtime
        self._images = images
        self._mounter = mounter
        self._objects = objects
        self._probes = probes
        self._statuses = statuses
        self._mirrors = mirrors
        self._events = events
        self._fs = fs
        self._host_ips = host_ips
        self._why_no_network = network_ready
        self._pleg = pleg
        self._wake = wake
        self._runtime_name = runtime_name
        self._now = now
        self._reasons: dict[str, dict[str, tuple[str, str]]] = {}
        self._mirroring: dict[str, asyncio.Task[None]] = {}
        self._latest: dict[str, Json] = {}
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
        #: Why a pod had to go although its source asks for it.
        self._evicted: dict[str, Eviction] = {}
        self._started_at = now()
        #: The last runtime status of each pod, for logs and `/pods`.
        self.runtime_statuses: dict[str, PodStatus] = {}

    async def sync(self, pod: Pod) -> None:
        """Bring the pod to its spec. Raises SyncError."""
        with self._pleg.syncing(pod.uid):
            await self._sync(pod)

    async def _sync(self, pod: Pod) -> None:
        status = await self._read(pod)
        self._adopt(pod, status)
        self._publish(pod, status, evicted=self._deadline(pod))
        if self.status_of(pod)["phase"] in ("Failed", "Succeeded"):
            await self._end(pod, status)
            return
        await self._replace_mirror(pod)
        why = "" if pod.host_network else self._why_no_network()
        if why:
            message = f"network is not ready: {why}"
            self._events.pod(pod, WARNING, "NetworkNotReady", message)
            raise NetworkError(message)
        await self._mounter.mount(pod)
        await pull_secrets.look_up(pod, self._objects, self._events)
        actions = self._actions(pod, status)
        outcome = await self._runtime.sync(pod, status, actions)
        reasons = self._reasons.setdefault(pod.uid, {})
        for name, failure in outcome.items():
            if failure is None:
                reasons.pop(name, None)
            else:
                reasons[name] = (failure.reason, failure.message)
        if outcome or actions.kill or actions.kill_pod:
            status = await self._read(pod)
            self._publish(pod, status)
        await self._runtime.remove_dead(pod, status, KEPT_DEAD)
        errors: list[SyncError] = [e for e in outcome.values() if e is not None]
        if errors:
            if actions.create_sandbox:
                # a relist of the runtime shows the new sandbox, which is a reason to look again
                asyncio.get_running_loop().call_later(RELIST_PERIOD, self._wake, pod.uid)
            raise joined(errors)
        if (outcome or actions.kill) and self._actions(pod, status).of_containers:
            self._wake(pod.uid)  # what has ended meanwhile is seen, and no news any more

    def _actions(self, pod: Pod, status: PodStatus) -> Actions:
        results = self._probes.results
        return compute_actions(pod, status, results["liveness"], results["startup"])

    async def _end(self, pod: Pod, status: PodStatus) -> None:
        """A pod that is over: nothing of it runs on, and it gets no new mirror. Raises SyncError."""
        if not status.running and not any(s.ready for s in status.sandboxes):
            return
        try:
            await self._runtime.kill(pod, status, pod.kill_grace)
        except CriError as error:
            raise SyncError(str(error)) from None
        status = await self._read(pod)
        self._publish(pod, status)
        await self._runtime.remove_dead(pod, status, KEPT_DEAD)

    def _deadline(self, pod: Pod) -> Eviction | None:
        """When the pod has been active for too long, that; else have it looked at in time."""
        allowed = pod.object["spec"].get("activeDeadlineSeconds")
        started = self._latest.get(pod.uid, {}).get("startTime")
        if allowed is None:
            return None
        begun = datetime.fromisoformat(started) if started else self._now()
        left = allowed - (self._now() - begun).total_seconds()
        if left <= 0:
            self._events.pod(pod, NORMAL, DEADLINE.reason, DEADLINE.message)
            return DEADLINE
        if (timer := self._deadlines.pop(pod.uid, None)) is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._deadlines[pod.uid] = loop.call_later(left, self._wake, pod.uid)
        return None

    def evict(self, pod: Pod, eviction: Eviction) -> None:
        """A pod that has to go becomes Failed when it is terminated."""
        self._evicted[pod.uid] = eviction

    def reject(self, pod: Pod, reason: str, message: str) -> None:
        """A pod that the node does not take."""
        generation = {} if pod.generation is None else {"observedGeneration": pod.generation}
        self._latest[pod.uid] = status = {
            "message": message, **generation, "phase": "Failed", "reason": reason,
        }  # fmt: skip
        if self._statuses is not None:
            self._statuses.reject(pod, dict(status))

    async def _read(self, pod: Pod) -> PodStatus:
        try:
            status = await read_pod_status(self._cri, pod.uid)
        except CriError as error:
            raise SyncError(str(error)) from None
        self.runtime_statuses[pod.uid] = status
        self._pleg.observe(status)
        return status

    def _publish(
        self,
        pod: Pod,
        status: PodStatus,
        terminating: bool = False,
        evicted: Eviction | None = None,
    ) -> None:
        """Generate the pod's status, hand it on, and probe what runs."""
        if not terminating:
            self._probes.update(pod, status, self._host_ips[0] if self._host_ips else "127.0.0.1")
        previous = self._latest.get(pod.uid) or self._of_the_api(pod)
        generated = generate(
            pod,
            status,
            Inputs(
                now=self._now(),
                host_ips=self._host_ips,
                previous=previous,
                reasons=self._reasons.get(pod.uid, {}),
                readiness=self._probes.results["readiness"],
                startup=self._probes.results["startup"],
                terminating=terminating,
                evicted=evicted or self._evicted.get(pod.uid),
                message_of=partial(termination_message, self._fs),
                runtime_name=self._runtime_name,
            ),
        )
        self._latest[pod.uid] = generated
        if self._statuses is not None:
            runs = bool(status.running)
            shown = still_running(generated, self._statuses.get(pod)) if runs else generated
            self._statuses.set(pod, shown)

    def _of_the_api(self, pod: Pod) -> Json:
        """After a restart of the kubelet: what the API says; a mirror does not say that its pod is over."""
        status = dict(self._statuses.get(pod)) if self._statuses else {}
        if pod.is_static:
            status.pop("phase", None)
        return status

    def runs(self, pod: Pod) -> bool:
        """Whether a container of the pod ran when last looked at."""
        status = self.runtime_statuses.get(pod.uid)
        return status is not None and bool(status.running)

    def status_of(self, pod: Pod) -> Json:
        """The status last generated, for the kubelet's own `/pods`; before that the API's."""
        return self._latest.get(pod.uid) or {"phase": "Pending", **(pod.object.get("status") or {})}

    def _adopt(self, pod: Pod, status: PodStatus) -> None:
        """What ran before this kubelet did counts as started (seen, even of what had not started yet).

        What the API calls ready stays so until it is probed again; a static pod's mirror is not asked (seen).
        """
        if pod.uid in self._latest:
            return
        known = {} if pod.is_static or self._statuses is None else self._statuses.get(pod)
        ready = {
            entry["containerID"]
            for entry in known.get("containerStatuses", ())
            if entry.get("ready") and "containerID" in entry
        }
        for container in pod.all_containers:
            newest = status.newest(container.name)
            if newest is None or newest.state is not State.RUNNING or newest.started_at >= self._started_at:
                continue
            self._probes.adopt(newest.id, "startup")
            if f"{self._runtime_name}://{newest.id}" in ready:
                self._probes.adopt(newest.id, "readiness")

    def mirror(self, pod: Pod) -> None:
        """Have the pod's mirror made, if there is none, without waiting for it."""
        if self._mirrors is None or not pod.is_static:
            return
        running = self._mirroring.get(pod.uid)
        if running is None or running.done():
            self._mirroring[pod.uid] = asyncio.create_task(
                self._mirror(pod, self._mirrors, self._mirrors.seen(pod))
            )

    async def _replace_mirror(self, pod: Pod) -> None:
        """As `mirror`; another pod's mirror under this name is seen off before the containers start."""
        if not pod.is_static:
            return
        self.mirror(pod)
        if self._mirrors is not None and self._mirrors.outdated(pod):
            await asyncio.wait((self._mirroring[pod.uid],), timeout=MIRROR_PATIENCE)

    async def _mirror(self, pod: Pod, mirrors: Mirrors, seen: Json | None) -> None:
        created = await mirrors.reconcile(pod, seen)
        if created and self._statuses is not None:
            self._statuses.push(pod.uid)

    async def terminate(self, pod: Pod) -> None:
        """Stop the pod's containers and sandbox, within its grace period. Raises SyncError."""
        status = await self._read(pod)
        self._publish(pod, status, terminating=True)
        self._probes.stop(pod.uid, ("startup", "liveness"))
        try:
            await self._runtime.kill(pod, status, pod.kill_grace)
        except CriError as error:
            klog.error("kubelet.go:2361", "KillPod failed", error, pod=pod.ref, podUID=pod.uid)
            raise SyncError(str(error)) from None
        self._probes.stop(pod.uid)
        status = await self._read(pod)
        if status.running:
            names = ", ".join(c.name for c in status.running)
            raise SyncError(
                f"detected running containers after a successful KillPod, CRI violation: [{names}]"
            )
        self._publish(pod, status, terminating=True)

    async def terminated(self, pod: Pod, wanted: bool, coming_back: bool) -> None:
        """Tidy up after the last container; what comes back under the same UID keeps its dead containers.

        A pod of the API is known until it is gone there; one that no source asks for is gone already.
        """
        status = self.runtime_statuses.get(pod.uid) or await self._read(pod)  # as `terminate` left it
        keep = coming_back or pod.uid in self._evicted
        await self._runtime.remove_dead(pod, status, KEPT_DEAD if keep else 0)
        if not pod.is_static and wanted and not coming_back and self._statuses is not None:
            self._latest[pod.uid] = last = concluded(pod, self._latest[pod.uid])
            self._statuses.finish(pod, last)
            return
        mirroring = self._mirroring.pop(pod.uid, None)
        if mirroring is not None:
            await asyncio.wait((mirroring,))
        self.forget(pod.uid)

    def forget(self, uid: str) -> None:
        """A pod is gone."""
        self._evicted.pop(uid, None)
        self._reasons.pop(uid, None)
        self._latest.pop(uid, None)
        if (timer := self._deadlines.pop(uid, None)) is not None:
            timer.cancel()
        self.runtime_statuses.pop(uid, None)
        self._images.forget(uid)
        self._mounter.forget(uid)
        if self._statuses is not None:
            self._statuses.forget(uid)
