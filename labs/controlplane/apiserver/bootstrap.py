"""What a fresh cluster has before anybody asks: namespaces, priority classes, the `kubernetes` service."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from labs.controlplane import klog

from . import initial_objects, meta
from .resources import BY_PATH, Resource, core
from .storage import AlreadyExists, Storage

Object = dict[str, Any]
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")
#: Since when tokens of Secrets are tracked (`pkg/controlplane/controller/legacytokentracking`).
TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
PRIORITY_CLASSES = {
    "system-node-critical": (
        2000001000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        2000000000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if "
        "necessary.",
    ),
}


class Bootstrap:
    """The start-up hooks; safe to run on a store that has it all."""

    def __init__(self, storage: Storage, service_range: str, advertise: str, port: int) -> None:
        self._storage = storage
        self._range = service_range
        self._advertise = advertise
        self._port = port

    async def run(self) -> None:
        """Make what is missing."""
        for name in SYSTEM_NAMESPACES:
            await self._ensure(core("namespaces"), "", {"metadata": {"name": name}})
        for name, (value, description) in PRIORITY_CLASSES.items():
            resource = BY_PATH["scheduling.k8s.io", "v1", "priorityclasses"]
            await self._ensure(
                resource,
                "",
                {"metadata": {"name": name}, "value": value, "description": description},
            )
        klog.info(
            "storage_scheduling.go:129",
            "all system priority classes are created successfully or already exist.",
        )
        await self._kubernetes_service()
        since = {"since": f"{datetime.now(UTC):%Y-%m-%d}"}
        await self._ensure(core("configmaps"), "kube-system", {"metadata": {"name": TRACKING}, "data": since})
        await initial_objects.make_missing(self._storage)

    async def _kubernetes_service(self) -> None:
        first = str(next(ipaddress.ip_network(self._range).hosts()))
        labels = {"component": "apiserver", "provider": "kubernetes"}
        port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": self._port}
        await self._ensure(
            core("services"),
            "default",
            {
                "metadata": {"name": "kubernetes", "labels": labels},
                "spec": {
                    "clusterIP": first,
                    "clusterIPs": [first],
                    "ipFamilies": ["IPv4"],
                    "ipFamilyPolicy": "SingleStack",
                    "ports": [port],
                },
            },
        )
        port = {"name": "https", "port": self._port, "protocol": "TCP"}
        await self._keep(
            core("endpoints"),
            {"endpointslice.kubernetes.io/skip-mirror": "true"},
            {"subsets": [{"addresses": [{"ip": self._advertise}], "ports": [port]}]},
        )
        endpoint = {"addresses": [self._advertise], "conditions": {"ready": True}}
        await self._keep(
            BY_PATH["discovery.k8s.io", "v1", "endpointslices"],
            {"kubernetes.io/service-name": "kubernetes"},
            {"addressType": "IPv4", "endpoints": [endpoint], "ports": [port]},
        )

    async def _keep(self, resource: Resource, labels: dict[str, str], wanted: Object) -> None:
        """Where the service `kubernetes` is served, as it is now."""
        key = resource.key("default", "kubernetes")
        found = await self._storage.get(key)
        if found is None:
            metadata = {"name": "kubernetes", "labels": labels}
            await self._ensure(resource, "default", {"metadata": metadata, **wanted})
        elif any(found.object.get(field) != value for field, value in wanted.items()):
            await self._storage.update(key, {**found.object, **wanted}, found.revision)

    async def _ensure(self, resource: Resource, namespace: str, obj: Object) -> None:
        metadata = {**obj["metadata"], "uid": meta.new_uid(), "creationTimestamp": meta.now()}
        if namespace:
            metadata["namespace"] = namespace
        new = {"kind": resource.kind, "apiVersion": resource.group_version, **obj, "metadata": metadata}
        resource.strategy.default(new)
        resource.strategy.prepare_create(new)
        key = resource.key(namespace, metadata["name"])
        with suppress(AlreadyExists):
            await self._storage.create(key, new)
