"""The node's heartbeat: a Lease renewed every quarter of its duration (`apimachinery/lease`)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError
from labs.kubelet.node_status import Api

Json = dict[str, Any]
ATTEMPTS = 5
#: Seconds; doubled before each wait.
FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 7.0
NAMESPACE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class UpdateError(Exception):
    """The lease was not renewed, as often as it was tried."""


class NodeLease:
    """Renews the lease of one node."""

    def __init__(self, api: Api, node_name: str, duration: int, now: Callable[[], datetime]) -> None:
        self._api = api
        self._name = node_name
        self._duration = duration
        self._now = now
        self._lease: Json | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sync()
            await asyncio.sleep(self._duration / 4)

    async def _sync(self) -> None:
        if self._lease is not None:
            try:
                await self._update(self._lease)
                return
            except UpdateError as error:
                why = "failed to update lease using latest lease, fallback to ensure lease"
                klog.info("controller.go:171", why, err=str(error))
        self._lease, created = await self._ensure()
        if not created and self._lease is not None:
            try:
                await self._update(self._lease)
            except UpdateError as error:
                interval = f"{self._duration // 4}s"
                klog.error("controller.go:176", "Will retry updating lease", error, interval=interval)

    async def _ensure(self) -> tuple[Json | None, bool]:
        """The lease, and whether it had to be made; tried for as long as it takes.

        None is made for a node that is not there.
        """
        backoff = FIRST_BACKOFF
        while True:
            try:
                try:
                    return await self._api.request("GET", f"{NAMESPACE}/{self._name}"), False
                except ApiError as error:
                    if error.status != 404:
                        raise
                try:
                    made = await self._next(None)
                except ApiError:
                    return None, False
                return await self._api.request("POST", NAMESPACE, made), True
            except ApiError as error:
                backoff = min(2 * backoff, LONGEST_BACKOFF)
                shown = f"{backoff:g}s" if backoff >= 1 else f"{backoff * 1000:g}ms"
                why = "Failed to ensure lease exists, will retry"
                klog.error("controller.go:201", why, error, interval=shown)
            await asyncio.sleep(backoff)

    async def _update(self, base: Json | None) -> None:
        """Renew it. Raises UpdateError after the last attempt."""
        for _ in range(ATTEMPTS):
            try:
                body = await self._next(base)
            except ApiError as error:
                klog.error("controller.go:244", "Failed to prepare lease", error)
                continue
            try:
                self._lease = await self._api.request("PUT", f"{NAMESPACE}/{self._name}", body)
                return
            except ApiError as error:
                klog.error("controller.go:251", "Failed to update lease", error)
                if error.status == 409:
                    base, _ = await self._ensure()
        raise UpdateError(f"failed {ATTEMPTS} attempts to update lease")

    async def _next(self, base: Json | None) -> Json:
        """The lease renewed now, or a new one; its owner is the node. Raises ApiError when there is none."""
        renewed = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        own = {"holderIdentity": self._name, "leaseDurationSeconds": self._duration, "renewTime": renewed}
        lease: Json = base or {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": "kube-node-lease"},
        }
        lease = {**lease, "spec": {**lease.get("spec", {}), **own}}
        if not lease["metadata"].get("ownerReferences"):
            lease["metadata"] = {**lease["metadata"], "ownerReferences": [await self._owner()]}
        return lease

    async def _owner(self) -> Json:
        try:
            node = await self._api.request("GET", f"/api/v1/nodes/{self._name}")
        except ApiError as error:
            why = "Failed to get node when trying to set owner ref to the node lease"
            klog.error("nodelease.go:50", why, error, node=self._name)
            raise
        return {"apiVersion": "v1", "kind": "Node", "name": self._name, "uid": node["metadata"]["uid"]}
