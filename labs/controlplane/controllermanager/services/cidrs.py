"""Keep a ServiceCIDR as long as addresses of services are in it that no other one has.

Mirrors `pkg/controller/servicecidrs/servicecidrs_controller.go`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from labs.controlplane import klog
from labs.controlplane.client import ApiError, Handler

from ..context import ControllerContext
from ..controller import Controller
from ..kinds import IP_ADDRESSES, SERVICE_CIDRS
from ..objects import Object, find_condition, is_going, key_of, parse_time, stamp

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
READY = "Ready"
#: How long a ServiceCIDR stays at least that may go: API servers give out addresses of it until they know.
GRACE = timedelta(seconds=10)
_MANAGER = "service-cidr-controller"
_APPLY = "application/apply-patch+yaml"
_MANAGED_BY = ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io")
_IS_READY = ("True", "", "Kubernetes Service CIDR is ready")
_IS_TERMINATING = (
    "False",
    "Terminating",
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
)


@dataclass(frozen=True)
class Range:
    """Addresses of one family, as numbers."""

    version: int
    first: int
    last: int

    @classmethod
    def of(cls, text: str) -> Range:
        """A network, or an address alone."""
        network = ipaddress.ip_network(text)
        return cls(network.version, int(network.network_address), int(network.broadcast_address))

    def holds(self, other: Range) -> bool:
        """Whether the other is within this one."""
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def meets(self, other: Range) -> bool:
        """Whether both have an address."""
        return self.version == other.version and self.first <= other.last and other.first <= self.last


class ServiceCIDRController(Controller):
    """The loop; keys are ServiceCIDRs' names."""

    name = "service-cidr-controller"
    account = "service-cidrs-controller"
    source = "servicecidrs_controller.go:184"
    started = ("servicecidrs_controller.go:137", '"Starting" controller="service-cidr-controller"')

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._cidrs = self.informer(SERVICE_CIDRS)
        self._addresses = self.informer(IP_ADDRESSES)
        self._cidrs.subscribe(Handler(self._changed, lambda _, new: self._changed(new), self._changed))
        self._addresses.subscribe(Handler(self._address_changed, on_delete=self._address_changed))

    def _changed(self, cidr: Object) -> None:
        """One range may be why another can go."""
        self.queue.add(key_of(cidr))
        self._look(ranges_of(cidr))

    def _address_changed(self, address: Object) -> None:
        self._look([Range.of(address["metadata"]["name"])])

    def _look(self, changed: list[Range]) -> None:
        for cidr in self._cidrs.store:
            if any(one.meets(two) for one in ranges_of(cidr) for two in changed):
                self.queue.add(key_of(cidr))

    async def sync(self, key: str) -> None:
        cidr = self._cidrs.store.by_key(key)
        if cidr is None:
            return
        finalizers = cidr["metadata"].get("finalizers") or []
        try:
            if not is_going(cidr):
                if FINALIZER not in finalizers:
                    await self._set_finalizers(cidr, [*finalizers, FINALIZER])
                await self._tell(cidr, *_IS_READY)
            elif not self._may_go(cidr):
                await self._tell(cidr, *_IS_TERMINATING)
            elif (left := self._grace_left(cidr)) > timedelta():
                self.queue.add_after(key, left.total_seconds())
            elif FINALIZER in finalizers:
                await self._set_finalizers(cidr, [name for name in finalizers if name != FINALIZER])
        except ApiError as error:
            if not error.not_found:
                raise

    def _may_go(self, cidr: Object) -> bool:
        """Whether every address of a service in it is in another range, too."""
        own = ranges_of(cidr)
        others = [
            range_
            for other in self._cidrs.store
            if other["metadata"]["uid"] != cidr["metadata"]["uid"] and not is_going(other)
            for range_ in ranges_of(other)
        ]
        if all(any(other.holds(mine) for other in others) for mine in own):
            klog.info(
                "servicecidrs_controller.go:377",
                "Deleting ServiceCIDR contained in other ServiceCIDR",
                ServiceCIDR=key_of(cidr),
            )
            return True
        label, manager = _MANAGED_BY
        for address in self._addresses.store:
            if (address["metadata"].get("labels") or {}).get(label) != manager:
                continue
            ip = Range.of(address["metadata"]["name"])
            if any(mine.holds(ip) for mine in own) and not any(other.holds(ip) for other in others):
                klog.info(
                    "servicecidrs_controller.go:407",
                    "Deleting ServiceCIDR blocked by IP address",
                    IPAddress=address["metadata"]["name"],
                )
                return False
        klog.info(
            "servicecidrs_controller.go:415",
            "Deleting ServiceCIDR no longer have orphan IPs",
            ServiceCIDR=key_of(cidr),
        )
        return True

    def _grace_left(self, cidr: Object) -> timedelta:
        asked: datetime | None = parse_time(cidr["metadata"]["deletionTimestamp"])
        return timedelta() if asked is None else asked + GRACE - self.context.now()

    async def _set_finalizers(self, cidr: Object, finalizers: list[str]) -> None:
        metadata = {"resourceVersion": cidr["metadata"]["resourceVersion"], "finalizers": finalizers or None}
        await self.client.patch(SERVICE_CIDRS, "", key_of(cidr), {"metadata": metadata})

    async def _tell(self, cidr: Object, status: str, reason: str, message: str) -> None:
        """Say in the ServiceCIDR's condition how it is, if that is not what it says."""
        there = find_condition(cidr, READY) or {}
        if (there.get("status"), there.get("reason"), there.get("message")) == (status, reason, message):
            return
        condition = {
            "type": READY,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": stamp(self.context.now()),
        }
        applied = {
            "apiVersion": SERVICE_CIDRS.api_version,
            "kind": SERVICE_CIDRS.kind,
            "metadata": {"name": key_of(cidr)},
            "status": {"conditions": [condition]},
        }
        await self.client.patch(
            SERVICE_CIDRS,
            "",
            key_of(cidr),
            applied,
            kind=_APPLY,
            subresource="status",
            query={"fieldManager": _MANAGER, "force": "true"},
        )


def ranges_of(cidr: Object) -> list[Range]:
    """Those of a ServiceCIDR."""
    return [Range.of(text) for text in (cidr.get("spec") or {}).get("cidrs") or []]
