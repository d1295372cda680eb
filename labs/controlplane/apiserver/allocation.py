"""What services are given: addresses of the service range and node ports, each to one service at a time.

Mirrors `pkg/registry/core/service/storage/alloc.go` in what is refused and filled in. Addresses are not
random as there: the first free one is easier to talk about.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any

from labs.controlplane import flagvalues
from labs.core.field import FieldError, invalid

from . import status
from .resources import core
from .storage import Storage

Object = dict[str, Any]
#: What was given out is kept this long for the request that asked for it, stored or not.
HELD_SECONDS = 60.0


class Allocation:
    """Gives out and refuses."""

    def __init__(self, storage: Storage, service_range: str, port_range: str) -> None:
        self._storage = storage
        self._network = ipaddress.ip_network(service_range)
        self._range_text = port_range
        first, last = flagvalues.port_range(port_range)
        self._ports = range(first, last + 1)
        self._held: dict[str | int, float] = {}

    async def create(self, service: Object) -> None:
        """Complete a new service. Raises a 422 for an address or port it cannot have."""
        await self._allocate(service, {})

    async def update(self, new: Object, old: Object) -> None:
        """Carry over what the client left out, and complete what the new type needs."""
        was, now = old["spec"], new["spec"]
        if now.get("type") != "ExternalName" and was.get("type") != "ExternalName":
            for part in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if not now.get(part) and was.get(part):
                    now[part] = was[part]
        if now.get("type") in ("NodePort", "LoadBalancer"):
            given = {
                _port_key(port): port["nodePort"] for port in was.get("ports") or [] if port.get("nodePort")
            }
            for port in now.get("ports") or []:
                if not port.get("nodePort") and _port_key(port) in given:
                    port["nodePort"] = given[_port_key(port)]
        await self._allocate(new, was)

    async def _allocate(self, service: Object, was: Object) -> None:
        spec = service["spec"]
        wants_address = spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None"
        wants_ports = spec.get("type") in ("NodePort", "LoadBalancer")
        if wants_address or wants_ports:
            addresses, ports = await self._taken(service)
            errors: list[FieldError] = []
            if wants_address and not was.get("clusterIP"):
                errors += self._address(spec, addresses)
            if wants_ports:
                errors += self._node_ports(spec, ports, was)
            if errors:
                raise status.invalid_object("", "Service", service["metadata"].get("name", ""), errors)
        if spec.get("clusterIP") and spec.get("type") != "ExternalName":
            spec.setdefault("clusterIPs", [spec["clusterIP"]])
            spec.setdefault("ipFamilies", ["IPv4"])
            spec.setdefault("ipFamilyPolicy", "SingleStack")

    async def _taken(self, service: Object) -> tuple[set[str], set[int]]:
        now = time.monotonic()
        self._held = {value: until for value, until in self._held.items() if until > now}
        page = await self._storage.list(core("services").key_prefix(""))
        own = service["metadata"].get("uid")
        others = [s.object["spec"] for s in page.items if s.object["metadata"].get("uid") != own]
        addresses = {spec.get("clusterIP", "") for spec in others}
        ports = {port.get("nodePort", 0) for spec in others for port in spec.get("ports") or []}
        held = self._held
        return addresses | {v for v in held if isinstance(v, str)}, ports | {
            v for v in held if isinstance(v, int)
        }

    def _address(self, spec: Object, taken: set[str]) -> list[FieldError]:
        wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or []), "")
        if not wanted:
            # The first address of the range belongs to the API server's own service.
            hosts = (str(host) for index, host in enumerate(self._network.hosts()) if index > 0)
            found = next((host for host in hosts if host not in taken), None)
            if found is None:
                detail = "failed to allocate a serviceIP: range is full"
                raise status.internal(detail)
            wanted = found
        elif fault := self._address_fault(wanted, taken):
            return [invalid("spec.clusterIPs", [wanted], fault)]
        spec["clusterIP"] = wanted
        self._held[wanted] = time.monotonic() + HELD_SECONDS
        return []

    def _address_fault(self, wanted: str, taken: set[str]) -> str:
        try:
            address = ipaddress.ip_address(wanted)
        except ValueError:
            return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        if address not in self._network:
            why = f"the provided network does not match the current range ({self._network})"
            return f"failed to allocate IP {wanted}: {why}"
        if wanted in taken:
            return f"failed to allocate IP {wanted}: provided IP is already allocated"
        return ""

    def _node_ports(self, spec: Object, taken: set[int], was: Object) -> list[FieldError]:
        errors = []
        own = {port.get("nodePort") for port in was.get("ports") or []}
        for index, port in enumerate(spec.get("ports") or []):
            wanted, field = port.get("nodePort"), f"spec.ports[{index}].nodePort"
            if not wanted:
                free = next((p for p in self._ports if p not in taken), None)
                if free is None:
                    raise status.internal("failed to allocate a nodePort: range is full")
                port["nodePort"] = wanted = free
            elif wanted in own:
                continue
            elif wanted not in self._ports:
                detail = (
                    f"provided port is not in the valid range. The range of valid ports is {self._range_text}"
                )
                errors.append(invalid(field, wanted, detail))
                continue
            elif wanted in taken:
                errors.append(invalid(field, wanted, "provided port is already allocated"))
                continue
            taken.add(wanted)
            self._held[wanted] = time.monotonic() + HELD_SECONDS
        return errors


def _port_key(port: Object) -> tuple[Any, Any]:
    return port.get("protocol", "TCP"), port.get("port")
