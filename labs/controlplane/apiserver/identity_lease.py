"""This server's Lease in kube-system: which API servers there are, each renewing its own.

Follows `pkg/controlplane/apiserver/server.go` (its post-start hook for the identity's lease) and
`apimachinery/lease`; the name is made as `apiserver/pkg/server.NewConfig` makes it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from labs.controlplane import klog

from . import meta
from .etcd import EtcdError
from .resources import served
from .storage import AlreadyExists, Changed, Storage

Object = dict[str, Any]
NAMESPACE = "kube-system"
COMPONENT = "kube-apiserver"
#: Seconds: what the Lease says, and between two renewals.
DURATION, PERIOD = 3600, 10.0
#: Seconds that a server which ends waits for etcd.
PATIENCE = 2.0


def identity(hostname: str) -> str:
    """What a server of this host is called: the same after each start."""
    words = (hostname.encode(), COMPONENT.encode())
    told = b"".join(len(word).to_bytes(2, "big") + word for word in words)
    return f"apiserver-{base64.b32encode(hashlib.sha256(told).digest()[:16]).decode().rstrip('=').lower()}"


class IdentityLease:
    """The Lease's keeper."""

    def __init__(self, storage: Storage, hostname: str, address: str) -> None:
        """`address` is where other servers would reach this one, `HOST:PORT`."""
        self._storage = storage
        self._hostname = hostname
        self._address = address
        self.name = identity(hostname)
        self._holder = f"{self.name}_{meta.new_uid()}"
        self._key = served("coordination.k8s.io", "leases").key(NAMESPACE, self.name)

    async def keep(self) -> None:
        """Renew it again and again."""
        while True:
            try:
                await self.renew()
            except EtcdError as error:
                why = "Failed to ensure lease exists, will retry"
                klog.error("controller.go:201", why, err=error, interval=f"{PERIOD:g}s")
            await asyncio.sleep(PERIOD)

    async def renew(self) -> None:
        """Make the Lease, or say in the one that is there that this server lives. Raises EtcdError."""
        found = await self._storage.get(self._key)
        try:
            if found is None:
                await self._storage.create(self._key, self._renewed(self._new()))
            else:
                await self._storage.update(self._key, self._renewed(found.object), found.revision)
        except (AlreadyExists, Changed):
            return  # somebody was faster; the next renewal is soon

    async def remove(self) -> None:
        """Nobody serves any more; an etcd that does not answer is not waited for long."""
        named = f"{NAMESPACE}/{self.name}"
        klog.info("controller.go:136", "Cleaning up lease on exit", lease=named)
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._storage.get(self._key)
                if found is not None:
                    await self._storage.delete(self._key, found.revision)
        except (EtcdError, Changed, TimeoutError) as error:
            why = str(error) or "context deadline exceeded"
            klog.error("controller.go:138", "Unable to delete lease", err=why, lease=named)

    def _new(self) -> Object:
        return {
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": {
                "name": self.name,
                "namespace": NAMESPACE,
                "uid": meta.new_uid(),
                "creationTimestamp": meta.now(),
            },
            "spec": {"holderIdentity": self._holder, "leaseDurationSeconds": DURATION},
        }

    def _renewed(self, lease: Object) -> Object:
        metadata = lease["metadata"]
        labels = {"apiserver.kubernetes.io/identity": COMPONENT, "kubernetes.io/hostname": self._hostname}
        told = {"kubernetes.io/peer-advertise-address": self._address}
        renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            **lease,
            "metadata": {
                **metadata,
                "labels": {**metadata.get("labels", {}), **labels},
                "annotations": {**metadata.get("annotations", {}), **told},
            },
            "spec": {**lease["spec"], "renewTime": renewed},
        }
