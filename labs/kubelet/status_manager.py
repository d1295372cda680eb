"""Sends pod statuses to the API, onto the mirrors (`pkg/kubelet/status/status_manager.go`).

Keeps the newest status of each pod; pushes it at once when it changes or when a mirror appears, and again
every ten seconds while the API shows something else.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError
from labs.kubelet.mirror import Api, Mirrors
from labs.kubelet.pod.model import Pod

SYNC_PERIOD = 10.0
STRATEGIC = "application/strategic-merge-patch+json"
#: Merge keys of the lists in a pod's status; other lists are replaced.
MERGE_KEYS = {"conditions": "type", "podIPs": "ip", "hostIPs": "ip"}
OWNED = (
    "allocatedResources", "conditions", "containerStatuses", "hostIP", "hostIPs", "initContainerStatuses",
    "message", "phase", "podIP", "podIPs", "reason", "resources", "startTime",
)  # fmt: skip


def status_patch(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The strategic merge patch that makes `seen` (a status in the API) say `wanted`; empty when it does."""
    patch: dict[str, Any] = {}
    for field in OWNED:
        before, after = seen.get(field), wanted.get(field)
        if before == after:
            continue
        if field not in MERGE_KEYS or after is None:
            patch[field] = after
            continue
        key = MERGE_KEYS[field]
        old = {item[key]: item for item in before or ()}
        changed = [{**dict.fromkeys(old.get(i[key], {})), **i} for i in after if old.get(i[key]) != i]
        gone = [{"$patch": "delete", key: k} for k in old if k not in {i[key] for i in after}]
        if changed or gone:
            patch[f"$setElementOrder/{field}"] = [{key: i[key]} for i in after]
            patch[field] = changed + gone
    return patch


class StatusManager:
    """The statuses of this node's pods by static UID."""

    def __init__(self, api: Api, mirrors: Mirrors, known: Callable[[str], Pod | None]) -> None:
        self._api = api
        self._mirrors = mirrors
        self._pod = known
        self._statuses: dict[str, dict[str, Any]] = {}
        #: What the API answered to the last status sent, so that its own spelling is not corrected for ever.
        self._accepted: dict[str, tuple[dict[str, Any], Mapping[str, Any]]] = {}
        self._dirty: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()

    def get(self, pod: Pod) -> Mapping[str, Any]:
        """The latest status; after a restart of the kubelet, what the mirror says."""
        status = self._statuses.get(pod.uid)
        if status is None:
            mirror = self._mirrors.get(pod)
            status = mirror.get("status", {}) if mirror else {}
        return status

    def set(self, pod: Pod, status: dict[str, Any]) -> None:
        """A newly generated status."""
        if self._statuses.get(pod.uid) != status:
            self._statuses[pod.uid] = status
            self.push(pod.uid)

    def push(self, uid: str) -> None:
        """Have the pod's status compared with its mirror soon."""
        if uid not in self._queued:
            self._queued.add(uid)
            self._dirty.put_nowait(uid)

    def forget(self, uid: str) -> None:
        self._statuses.pop(uid, None)
        self._accepted.pop(uid, None)

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
        mirror = self._mirrors.get(pod) if pod else None
        if pod is None or status is None or mirror is None:
            return
        seen = mirror.get("status") or {}
        patch = status_patch(seen, status)
        if not patch or self._accepted.get(uid) == (status, seen):
            return
        body = {"metadata": {"uid": mirror["metadata"]["uid"]}, "status": patch}
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/status"
        try:
            answer = await self._api.request("PATCH", path, body, STRATEGIC)
        except ApiError as error:
            if error.status not in (404, 409):
                klog.error("status_manager.go:1196", "Failed to update status for pod", error, pod=pod.ref)
            return
        self._accepted[uid] = (status, answer.get("status") or {})
        self._mirrors.remember(answer)
