"""An IPAddress for each address that a service has.

In a real server the allocators make them and a loop mends them (`pkg/registry/core/service/ipallocator`, and
its `controller/repairip.go`); here one loop does both: it makes those that services lack and removes its
own that no service has.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

from labs.controlplane import klog

from . import meta
from .etcd import EtcdError
from .informers import Kept
from .resources import BY_PATH, core
from .storage import AlreadyExists, Changed, Storage

Object = dict[str, Any]
RETRY_SECONDS = 1.0
_MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
_FAMILY = "ipaddress.kubernetes.io/ip-family"
_MANAGER = "ipallocator.k8s.io"
_ADDRESSES = BY_PATH["networking.k8s.io", "v1", "ipaddresses"]
_PREFIX, _SERVICES = _ADDRESSES.key_prefix(""), core("services").key_prefix("")


class IPAddresses(Kept):
    """The loop; it is fed by the server's informers."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(_SERVICES, _PREFIX)
        self._storage = storage
        self._woken = asyncio.Event()

    def changed(self) -> None:
        self._woken.set()

    @property
    def foreign(self) -> set[str]:
        """Addresses that somebody keeps for something else than a service."""
        return {obj["metadata"]["name"] for obj in self.known[_PREFIX].values() if not _is_own(obj)}

    async def keep(self) -> None:
        """Whenever a service or an address changes, see to it that they go together."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._settle()
            except Changed:
                self._woken.set()
            except EtcdError as error:
                klog.error("repairip.go:237", "Unhandled Error", err=error, logger="UnhandledError")
                await asyncio.sleep(RETRY_SECONDS)
                self._woken.set()

    async def _settle(self) -> None:
        services, addresses = self.known[_SERVICES], self.known[_PREFIX]
        wanted = {
            _ADDRESSES.key("", address): _address(address, service)
            for service in services.values()
            for address in service["spec"].get("clusterIPs") or []
            if address != "None"
        }
        for key in wanted.keys() - addresses.keys():
            try:
                await self._storage.create(key, wanted[key])
            except AlreadyExists:
                continue  # the watch has yet to tell
        for key in addresses.keys() - wanted.keys():
            if _is_own(addresses[key]):
                await self._storage.delete(key, int(addresses[key]["metadata"]["resourceVersion"]))


def _is_own(address: Object) -> bool:
    return (address["metadata"].get("labels") or {}).get(_MANAGED_BY) == _MANAGER


def _address(address: str, service: Object) -> Object:
    family = f"IPv{ipaddress.ip_address(address).version}"
    metadata = service["metadata"]
    return {
        "kind": _ADDRESSES.kind,
        "apiVersion": _ADDRESSES.group_version,
        "metadata": {
            "name": address,
            "uid": meta.new_uid(),
            "creationTimestamp": meta.now(),
            "labels": {_FAMILY: family, _MANAGED_BY: _MANAGER},
        },
        "spec": {
            "parentRef": {
                "resource": "services",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
            }
        },
    }
