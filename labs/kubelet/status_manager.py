"""Sends pod statuses to the API (`pkg/kubelet/status/status_manager.go`): of static pods onto their mirrors.

Keeps the newest status of each pod; pushes it at once when it changes or when a mirror appears, and again
every ten seconds while the API shows something else. A pod that the API wants gone is deleted there, for
good, when it has stopped and its last status is shown.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError
from labs.kubelet.mirror import Api
from labs.kubelet.pod.model import TERMINAL_PHASES, Pod

SYNC_PERIOD = 10.0
STRATEGIC = "application/strategic-merge-patch+json"
#: Merge keys of the lists in a pod's status; other lists are replaced.
MERGE_KEYS = {"conditions": "type", "podIPs": "ip", "hostIPs": "ip"}
#: The kubelet's own conditions (`PodConditionsByKubelet`).
CONDITIONS = {"PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"}
OWNED = (
    "allocatedResources", "conditions", "containerStatuses", "hostIP", "hostIPs", "initContainerStatuses",
    "message", "observedGeneration", "phase", "podIP", "podIPs", "reason", "resources", "startTime",
)  # fmt: skip


def status_patch(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The strategic merge patch that makes `seen` (a status in the API) say `wanted`; empty when it does.

    Conditions that the kubelet says nothing of are somebody else's; its own go when it has none at all.
    """
    patch: dict[str, Any] = {}
    for field in OWNED:
        before, after = seen.get(field), wanted.get(field)
        if before == after or (field == "conditions" and after is None):
            continue
        if field not in MERGE_KEYS or after is None:
            patch[field] = after
            continue
        key = MERGE_KEYS[field]
        old = {item[key]: item for item in before or ()}
        changed = [{**dict.fromkeys(old.get(i[key], {})), **i} for i in after if old.get(i[key]) != i]
        others = set(old) if after else set(old) - CONDITIONS
        kept = {i[key] for i in after} | (others if field == "conditions" else set())
        gone = [{"$patch": "delete", key: k} for k in old if k not in kept]
        if changed or gone:
            patch[f"$setElementOrder/{field}"] = [{key: i[key]} for i in after]
            patch[field] = changed + gone
    return patch


class Shown(Protocol):
    """What the API shows of pods, as last seen."""

    def get(self, pod: Pod) -> dict[str, Any] | None: ...
    def remember(self, obj: dict[str, Any]) -> None: ...


class ShownMirrors(Shown, Protocol):
    """What it shows of static pods."""

    def seen(self, pod: Pod) -> dict[str, Any] | None: ...


class StatusManager:
    """The statuses of this node's pods by UID."""

    def __init__(
        self, api: Api, mirrors: ShownMirrors, api_pods: Shown, known: Callable[[str], Pod | None]
    ) -> None:
        self._api = api
        self._mirrors = mirrors
        self._api_pods = api_pods
        self._pod = known
        #: Pods of the API that have stopped for good.
        self._finished: set[str] = set()
        #: Pods that the node does not take.
        self._rejected: set[str] = set()
        self._statuses: dict[str, dict[str, Any]] = {}
        #: What the API answered to the last status sent, so that its own spelling is not corrected for ever.
        self._accepted: dict[str, tuple[dict[str, Any], Mapping[str, Any]]] = {}
        self._dirty: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()

    def _shown(self, pod: Pod) -> Shown:
        return self._mirrors if pod.is_static else self._api_pods

    def _object(self, pod: Pod) -> dict[str, Any] | None:
        """What of the API shows the pod's status."""
        if pod.uid in self._rejected and pod.is_static:
            return self._mirrors.seen(pod)
        return self._shown(pod).get(pod)

    def get(self, pod: Pod) -> Mapping[str, Any]:
        """The latest status; after a restart of the kubelet, what the API says."""
        status = self._statuses.get(pod.uid)
        if status is None:
            shown = self._shown(pod).get(pod)
            status = shown.get("status", {}) if shown else {}
        return status

    def set(self, pod: Pod, status: dict[str, Any]) -> None:
        """A newly generated status."""
        if self._statuses.get(pod.uid) != status:
            self._statuses[pod.uid] = status
            self.push(pod.uid)

    def finish(self, pod: Pod, status: dict[str, Any]) -> None:
        """The last status of a pod of the API that has stopped."""
        self._finished.add(pod.uid)
        self._statuses[pod.uid] = status
        self.push(pod.uid)

    def reject(self, pod: Pod, status: dict[str, Any]) -> None:
        """The status of a pod that the node does not take.

        A static one gets no mirror; that of the pod in whose place it has come is there, and shows it.
        """
        self._rejected.add(pod.uid)
        mirror = self._object(pod) if pod.is_static else None
        if mirror is not None:
            began = (mirror.get("status") or {}).get("startTime")
            status = status | ({"startTime": began} if began else {}) | {"conditions": []}
        self.set(pod, status)

    def push(self, uid: str) -> None:
        """Have the pod's status compared with what the API shows soon."""
        if uid not in self._queued:
            self._queued.add(uid)
            self._dirty.put_nowait(uid)

    def forget(self, uid: str) -> None:
        self._statuses.pop(uid, None)
        self._accepted.pop(uid, None)
        self._finished.discard(uid)
        self._rejected.discard(uid)

    async def run(self) -> None:
        """Until cancelled."""
        klog.info("status_manager.go:277", "Starting to sync pod status with apiserver")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again())
            while True:
                uid = await self._dirty.get()
                self._queued.discard(uid)
                await self._sync(uid)

    async def _again(self) -> None:
        while True:
            await asyncio.sleep(SYNC_PERIOD)
            for uid in self._statuses:
                self.push(uid)

    async def _sync(self, uid: str) -> None:
        pod, status = self._pod(uid), self._statuses.get(uid)
        shown = self._object(pod) if pod else None
        if pod is None or status is None or shown is None:
            return
        seen = shown.get("status") or {}
        due = status_patch(seen, status) and self._accepted.get(uid) != (status, seen)
        if due and not await self._send(pod, shown["metadata"]["uid"], status):
            return
        gone = pod.is_deleted and status["phase"] in TERMINAL_PHASES
        if gone and uid in self._finished:
            await self._delete(pod)

    async def _send(self, pod: Pod, shown_uid: str, status: dict[str, Any]) -> bool:
        """Patch the status of what the API has now (`syncPod`); whether it took that."""
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        try:
            current = await self._api.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                what = "Failed to get status for pod"
                klog.error("status_manager.go:1164", what, error, podUID=pod.uid, pod=pod.ref)
            return False
        if current["metadata"]["uid"] != shown_uid:
            return False  # it was deleted and made again meanwhile
        patch = status_patch(current.get("status") or {}, status)
        if not patch:  # it has been written already
            self._accepted[pod.uid] = (status, current.get("status") or {})
            self._shown(pod).remember(current)
            return True
        body = {"metadata": {"uid": shown_uid}, "status": patch}
        try:
            answer = await self._api.request("PATCH", f"{path}/status", body, STRATEGIC)
        except ApiError as error:
            if error.status not in (404, 409):
                klog.error("status_manager.go:1196", "Failed to update status for pod", error, pod=pod.ref)
            return False
        self._accepted[pod.uid] = (status, answer.get("status") or {})
        self._shown(pod).remember(answer)
        return True

    async def _delete(self, pod: Pod) -> None:
        """Let go of the object of a pod that has stopped; exactly of this one."""
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": pod.uid},
        }
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        try:
            await self._api.request("DELETE", path, options)
        except ApiError as error:
            if error.status not in (404, 409):
                klog.error("status_manager.go:1236", "Failed to delete status for pod", error, pod=pod.ref)
            return
        self._finished.discard(pod.uid)
