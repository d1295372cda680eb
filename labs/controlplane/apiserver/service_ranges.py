"""The ranges that services get their addresses from: ServiceCIDRs, of which the server makes the first.

Follows `pkg/controlplane/controller/defaultservicecidr` and `pkg/registry/core/service/ipallocator`: what
the flag says counts once, when the ServiceCIDR `kubernetes` is made; afterwards that does.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any

from labs.controlplane import klog

from . import meta
from .informers import Kept
from .resources import BY_PATH, core
from .storage import AlreadyExists, Storage

Object = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
DEFAULT = "kubernetes"
READY = "Ready"
_CONTROLLER = "kubernetes-service-cidr-controller"
_CIDRS = BY_PATH["networking.k8s.io", "v1", "servicecidrs"]
_PREFIX = _CIDRS.key_prefix("")


class ServiceRanges(Kept):
    """The ready ones, as the shared watch has them."""

    def __init__(self, storage: Storage, service_range: str) -> None:
        """`service_range` is that of the flag."""
        super().__init__(_PREFIX)
        self._storage = storage
        #: The flag's range; its family is that of all services.
        self.flag = ipaddress.ip_network(service_range)

    @property
    def networks(self) -> list[Network]:
        """Those of the services' family that addresses are given out of, that of the flag first."""
        ready = (obj for obj in self.known[_PREFIX].values() if _is_ready(obj))
        networks = [ipaddress.ip_network(cidr) for obj in ready for cidr in obj["spec"]["cidrs"]]
        return sorted(
            (network for network in networks if network.version == self.flag.version),
            key=lambda network: (network != self.flag, int(network.network_address)),
        )

    async def ensure_default(self) -> None:
        """Make the ServiceCIDR `kubernetes`, or tell that the one that is there is not the flag's."""
        key, cidrs = _CIDRS.key("", DEFAULT), [str(self.flag)]
        found = await self._storage.get(key)
        if found is None:
            klog.info("default_servicecidr_controller.go:170", "Creating default ServiceCIDR", CIDRs=cidrs)
            try:
                await self._storage.create(key, _default(cidrs))
            except AlreadyExists:
                return  # another server was faster
        elif found.object["spec"]["cidrs"] != cidrs:
            await self._complain(found.object, cidrs)

    async def _complain(self, obj: Object, cidrs: list[str]) -> None:
        there = obj["spec"]["cidrs"]
        klog.info(
            "default_servicecidr_controller.go:206",
            "Inconsistent ServiceCIDR status",
            serviceCIDR=DEFAULT,
            controllerCIDRs=cidrs,
            serviceCIDRs=there,
        )
        event = _event(
            obj,
            "KubernetesDefaultServiceCIDRInconsistent",
            f"The default ServiceCIDR [{' '.join(there)}] does not match the controller flag configurations "
            f"[{' '.join(cidrs)}]",
        )
        name = event["metadata"]["name"]
        await self._storage.create(core("events").key("default", name), event, expires=True)


def _is_ready(obj: Object) -> bool:
    """One of which nothing is said yet is: there may be no controller that says it."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return all(each["status"] == "True" for each in conditions if each["type"] == READY)


def _default(cidrs: list[str]) -> Object:
    now = meta.now()
    ready = {
        "type": READY,
        "status": "True",
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": now,
    }
    return {
        "kind": _CIDRS.kind,
        "apiVersion": _CIDRS.group_version,
        "metadata": {"name": DEFAULT, "uid": meta.new_uid(), "creationTimestamp": now},
        "spec": {"cidrs": cidrs},
        "status": {"conditions": [ready]},
    }


def _event(obj: Object, reason: str, message: str) -> Object:
    """A warning about an object that is in no namespace."""
    now, metadata = meta.now(), obj["metadata"]
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": f"{metadata['name']}.{time.time_ns():x}",
            "namespace": "default",
            "uid": meta.new_uid(),
            "creationTimestamp": now,
        },
        "involvedObject": {
            "kind": obj["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": obj["apiVersion"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "reason": reason,
        "message": message,
        "source": {"component": _CONTROLLER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": _CONTROLLER,
        "reportingInstance": "",
    }
