"""What services are given: addresses of the service range and node ports, each to one service at a time.

Mirrors `pkg/registry/core/service/storage/{storage,alloc}.go` in what is refused and filled in. Addresses are
not random as there: the first free one is easier to talk about. A dry run is given made-up ones, as there.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any

from labs.controlplane import flagvalues
from labs.core.field import FieldError, Findings, invalid
from labs.golang.quoting import quote

from . import status
from .ip_addresses import IPAddresses
from .resources import core
from .service_ranges import Network, ServiceRanges
from .storage import Storage
from .validation import service_addresses, services

Object = dict[str, Any]
#: What was given out is kept this long for the service that asked for it, stored or not.
HELD_SECONDS = 60.0
#: What a dry run's made-up node ports follow.
_DRY_PORT = 32768
_PORTS_OF_NODES = ("LoadBalancer", "NodePort")


class Allocation:
    """Gives out and refuses."""

    def __init__(
        self, storage: Storage, ranges: ServiceRanges, addresses: IPAddresses, port_range: str
    ) -> None:
        self._storage = storage
        self._addresses = addresses
        self._ranges = ranges
        self._family = f"IPv{ranges.flag.version}"
        self._range_text = port_range
        first, last = flagvalues.port_range(port_range)
        self._ports = range(first, last + 1)
        self._held: dict[str | int, tuple[float, str]] = {}

    async def create(self, service: Object, *, dry_run: bool) -> None:
        """Complete a new service. Raises a 422 for an address or port it cannot have."""
        spec = service["spec"]
        if spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]
        await self._allocate(service, {}, dry_run=dry_run)

    async def update(self, new: Object, old: Object, *, dry_run: bool) -> None:
        """Carry over what the client left out, and complete what the new type needs."""
        _carry_over(new["spec"], old["spec"])
        _follow_address(new["spec"], old["spec"])
        await self._allocate(new, old["spec"], dry_run=dry_run)

    async def _allocate(self, service: Object, was: Object, *, dry_run: bool) -> None:
        spec = service["spec"]
        if spec.get("type") != "ExternalName":
            self._settle_families(service, was)
        wants_address = spec.get("type") != "ExternalName" and not service_addresses.is_headless(spec)
        wants_address = wants_address and was.get("type", "ExternalName") == "ExternalName"
        wants_ports = spec.get("type") in _PORTS_OF_NODES
        if not wants_address and not wants_ports:
            return
        taken = await self._taken(service)
        given: list[str | int] = []
        if wants_address:
            given.append(self._give_address(service, taken, dry_run=dry_run))
        if wants_ports:
            ports = _NodePorts(self._ports, self._range_text, taken, dry_run=dry_run)
            if was:
                _change_node_ports(service, was, ports)
            else:
                _new_node_ports(service, ports)
            if services.needs_health_check(spec) and not services.needs_health_check(was):
                _health_check_port(spec, ports)
            given += ports.given
        if not dry_run:
            until = time.monotonic() + HELD_SECONDS
            self._held.update(dict.fromkeys(given, (until, _owner(service))))

    async def _taken(self, service: Object) -> set[str | int]:
        """Addresses and ports of others, services that are still being made among them."""
        now, owner = time.monotonic(), _owner(service)
        self._held = {value: held for value, held in self._held.items() if held[0] > now}
        page = await self._storage.list(core("services").key_prefix(""))
        taken: set[str | int] = {value for value, (_, who) in self._held.items() if who != owner}
        taken |= self._addresses.foreign
        for stored in page.items:
            if _owner(stored.object) == owner:
                continue
            spec = stored.object["spec"]
            taken |= {spec.get("clusterIP", ""), spec.get("healthCheckNodePort", 0)}
            taken |= {port.get("nodePort", 0) for port in spec.get("ports") or []}
        return taken

    # -- addresses
    def _settle_families(self, service: Object, was: Object) -> None:
        """How many addresses of which families. Raises a 422 for what the cluster has not."""
        spec = service["spec"]
        free = service_addresses.is_headless(spec) and not spec.get("selector")
        spec["ipFamilyPolicy"] = (
            spec.get("ipFamilyPolicy")
            or was.get("ipFamilyPolicy")
            or ("RequireDualStack" if free else "SingleStack")
        )
        found = Findings()
        service_addresses.check_cluster_ips(found, spec)
        _refuse(service, found)
        _settle_second(found, spec, was)
        self._infer_families(found, spec)
        _refuse(service, found)
        single = spec["ipFamilyPolicy"] == "SingleStack"
        if not free:
            self._configured(found, spec)
            _refuse(service, found)
        families = spec.get("ipFamilies") or [self._family]
        if free and len(families) == 1 and not single:
            families = [*families, "IPv6" if families == ["IPv4"] else "IPv4"]
        spec["ipFamilies"] = families

    def _infer_families(self, found: Findings, spec: Object) -> None:
        """Addresses tell their families."""
        addresses, families = spec.get("clusterIPs") or [], list(spec.get("ipFamilies") or [])
        if service_addresses.is_headless(spec):
            return
        for index, address in enumerate(addresses):
            if index < len(families):
                continue
            family = service_addresses.family_of(address)
            if family == self._family:
                families.append(family)
            else:
                why = f"{family} is not configured on this cluster"
                found.invalid(f"spec.clusterIPs[{index}]", addresses, why)
        if families:
            spec["ipFamilies"] = families

    def _configured(self, found: Findings, spec: Object) -> None:
        """The cluster has addresses of one family."""
        if (policy := spec["ipFamilyPolicy"]) == "RequireDualStack":
            why = "this cluster is not configured for dual-stack services"
            found.invalid("spec.ipFamilyPolicy", policy, why)
        for index, family in enumerate(spec.get("ipFamilies") or []):
            if family != self._family:
                found.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")

    def _give_address(self, service: Object, taken: set[str | int], *, dry_run: bool) -> str:
        spec = service["spec"]
        wanted: str = spec.get("clusterIP", "")
        if wanted:
            if fault := self._address_fault(wanted, taken, dry_run=dry_run):
                why = f"failed to allocate IP {wanted}: {fault}"
                _refuse(service, [invalid("spec.clusterIPs", spec["clusterIPs"], why)])
        else:
            wanted = str(self._ranges.flag.network_address) if dry_run else self._free_address(service, taken)
        spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]
        return wanted

    def _free_address(self, service: Object, taken: set[str | int]) -> str:
        # The first address of the flag's range belongs to the API server's own service.
        own = str(next(self._ranges.flag.hosts()))
        hosts = (str(host) for network in self._ranges.networks for host in network.hosts())
        found = next((host for host in hosts if host not in taken and host != own), None)
        if found is None:
            name = quote(service["metadata"].get("name", ""))
            raise status.internal(f"failed to allocate a serviceIP for Service {name}: range is full")
        return found

    def _address_fault(self, wanted: str, taken: set[str | int], *, dry_run: bool) -> str:
        address, flag = ipaddress.ip_address(wanted), self._ranges.flag
        if dry_run:
            valid = f"The range of valid IPs is {flag}"
            inside = _is_in(address, flag)
            return "" if inside else f"the provided IP ({wanted}) is not in the valid range. {valid}"
        if not any(_is_in(address, network) for network in self._ranges.networks):
            return "the provided network does not match the current range"
        return "provided IP is already allocated" if wanted in taken else ""


class _NodePorts:
    """Ports of nodes for one service; those that a dry run asks for may be out of the range."""

    def __init__(self, ports: range, range_text: str, taken: set[str | int], *, dry_run: bool) -> None:
        self._ports = ports
        self._range_text = range_text
        self._taken = taken
        self._dry_run = dry_run
        self.given: list[int] = []

    def take(self, port: int) -> str:
        """Take this one, or tell why not."""
        if port not in self._ports and not self._dry_run:
            valid = f"The range of valid ports is {self._range_text}"
            return f"provided port is not in the valid range. {valid}"
        if port in self._taken or port in self.given:
            return "provided port is already allocated"
        self.given.append(port)
        return ""

    def take_next(self) -> int:
        """Take any. Raises a 500 when there is none."""
        if self._dry_run:
            port = max(self.given, default=_DRY_PORT) + 1
        else:
            free = (p for p in self._ports if p not in self._taken and p not in self.given)
            if (port := next(free, 0)) == 0:
                raise status.internal("failed to allocate a nodePort: range is full")
        self.given.append(port)
        return port


def _is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: Network) -> bool:
    """Whether a service may have an address of a network."""
    last = network.broadcast_address if network.version == 4 else None
    return address in network and address not in (network.network_address, last)


def _owner(service: Object) -> str:
    metadata = service["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def _refuse(service: Object, errors: list[FieldError]) -> None:
    """Raises a 422 if anything is wrong."""
    if errors:
        raise status.invalid_object("", "Service", service["metadata"].get("name", ""), errors)


def _refuse_port(service: Object, index: int, port: int, fault: str) -> None:
    if fault:
        _refuse(service, [invalid(f"spec.ports[{index}].nodePort", port, fault)])


# -- changes
def _carry_over(now: Object, was: Object) -> None:
    """What a client that sends the service as it once made it does not know of (`patchAllocatedValues`)."""
    if "ExternalName" not in (now.get("type"), was.get("type")):
        for part in ("clusterIP", "clusterIPs"):
            if not now.get(part) and was.get(part):
                now[part] = was[part]
    if now.get("type") in _PORTS_OF_NODES and was.get("type") in _PORTS_OF_NODES:
        kept = _numbers(was) & _numbers(now)
        given = {port.get("name", ""): port.get("nodePort", 0) for port in was.get("ports") or []}
        for port in now.get("ports") or []:
            number = given.get(port.get("name", ""), 0)
            if not port.get("nodePort") and number and number not in kept:
                port["nodePort"] = number
    if services.needs_health_check(now) and services.needs_health_check(was):
        now.setdefault("healthCheckNodePort", was.get("healthCheckNodePort", 0))


def _numbers(spec: Object) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")}


def _follow_address(now: Object, was: Object) -> None:
    """The field of several addresses follows that of one (`normalizeClusterIPs`)."""
    before, after = was.get("clusterIP", ""), now.get("clusterIP", "")
    if before == after:
        if was.get("clusterIPs") and not now.get("clusterIPs"):
            now["clusterIPs"] = was["clusterIPs"]
    elif (was.get("clusterIPs") or []) == (now.get("clusterIPs") or []):
        if after:
            now["clusterIPs"] = [after]
        else:
            now.pop("clusterIPs", None)


def _settle_second(found: Findings, spec: Object, was: Object) -> None:
    """A second address or family needs a policy for two, and goes with the policy for one."""
    single = spec["ipFamilyPolicy"] == "SingleStack"
    for part, what, many in (
        ("clusterIPs", "cluster IP", "cluster IPs"),
        ("ipFamilies", "IP family", "IP families"),
    ):
        now, before = spec.get(part) or [], was.get(part) or []
        if single and now == before:
            now = now[:1]
            if now:
                spec[part] = now
        elif not single and now and len(now) < len(before):
            why = f"must be 'SingleStack' to release the secondary {what}"
            found.invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why)
        if single and len(now) == 2:
            why = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {many} are specified"
            found.invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why)


# -- node ports
def _gets_any(spec: Object) -> bool:
    """Whether ports are given that nobody asked for."""
    return spec.get("type") == "NodePort" or spec.get("allocateLoadBalancerNodePorts") is not False


def _new_node_ports(service: Object, ports: _NodePorts) -> None:
    """The same number of several protocols gets the same port of nodes."""
    spec, given = service["spec"], dict[int, int]()
    listed = spec.get("ports") or []
    for index, port in enumerate(listed):
        wanted, number = port.get("nodePort", 0), port.get("port", 0)
        if not wanted and not _gets_any(spec):
            continue
        if number not in given:
            asked = (p["nodePort"] for p in listed if p.get("port", 0) == number and p.get("nodePort"))
            if wanted := next(asked, 0):
                _refuse_port(service, index, wanted, ports.take(wanted))
            given[number] = wanted or ports.take_next()
            port["nodePort"] = given[number]
        elif not wanted:
            port["nodePort"] = given[number]
        elif wanted != given[number]:
            _refuse_port(service, index, wanted, ports.take(wanted))


def _change_node_ports(service: Object, was: Object, ports: _NodePorts) -> None:
    """Ports that the service has stay with it."""
    spec, own = service["spec"], _numbers(was)
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports") or []):
        wanted = port.get("nodePort", 0)
        if not wanted and not _gets_any(spec):
            continue
        if not wanted:
            port["nodePort"] = wanted = ports.take_next()
        elif wanted not in own and wanted not in ports.given:
            _refuse_port(service, index, wanted, ports.take(wanted))
        key = (port.get("protocol", ""), wanted)
        if key in seen:
            raise status.APIError(500, "", f"duplicate nodePort: {{{key[0]} {wanted}}}")
        seen.add(key)


def _health_check_port(spec: Object, ports: _NodePorts) -> None:
    """The port at which nodes tell whether they have endpoints."""
    wanted = spec.get("healthCheckNodePort", 0)
    if not wanted:
        spec["healthCheckNodePort"] = ports.take_next()
    elif fault := ports.take(wanted):
        raise status.internal(f"failed to allocate requested HealthCheck NodePort {wanted}: {fault}")
