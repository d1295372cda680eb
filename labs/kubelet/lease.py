"""The node's heartbeat: a Lease renewed every quarter of its duration (`apimachinery/lease`)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError
from labs.kubelet.node_status import Api

NAMESPACE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class NodeLease:
    """Renews the lease of one node."""

    def __init__(
        self, api: Api, node_name: str, node_uid: str, duration: int, now: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._name = node_name
        self._uid = node_uid
        self._duration = duration
        self._now = now
        self._lease: dict[str, Any] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._renew()
            except ApiError as error:
                self._lease = None
                klog.error(
                    "controller.go:201", "Failed to ensure lease exists, will retry", error, interval="7s"
                )
                await asyncio.sleep(7)
                continue
            await asyncio.sleep(self._duration / 4)

    async def _renew(self) -> None:
        if self._lease is None:
            self._lease = await self._fetch()
        if self._lease is None:
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": self._name,
                    "namespace": "kube-node-lease",
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "Node", "name": self._name, "uid": self._uid}
                    ],
                },
                "spec": self._spec(),
            }
            self._lease = await self._api.request("POST", NAMESPACE, body)
            return
        body = {**self._lease, "spec": {**self._lease.get("spec", {}), **self._spec()}}
        try:
            self._lease = await self._api.request("PUT", f"{NAMESPACE}/{self._name}", body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            self._lease = await self._fetch()

    async def _fetch(self) -> dict[str, Any] | None:
        try:
            return await self._api.request("GET", f"{NAMESPACE}/{self._name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _spec(self) -> dict[str, Any]:
        renewed = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"holderIdentity": self._name, "leaseDurationSeconds": self._duration, "renewTime": renewed}
