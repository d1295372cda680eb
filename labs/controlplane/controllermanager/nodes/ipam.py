"""Gives each node a range of pod addresses (`pkg/controller/nodeipam/ipam/range_allocator.go`)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from labs.controlplane import klog
from labs.controlplane.client import Handler
from labs.controlplane.client.events import NORMAL
from labs.controlplane.flags import Flags

from ..context import BuildError, ControllerContext
from ..controller import Controller
from ..kinds import NODES
from ..objects import Object, is_going, key_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def mask_sizes(flags: Flags, networks: Sequence[Network]) -> list[int]:
    """The size of a node's part of each range, as a prefix. Raises `BuildError`."""
    common, four, six = (
        flags.number(name)
        for name in ("node-cidr-mask-size", "node-cidr-mask-size-ipv4", "node-cidr-mask-size-ipv6")
    )
    if len(networks) > 1:
        if common:
            raise BuildError(
                "usage of --node-cidr-mask-size is not allowed with dual-stack clusters, as it is ambiguous"
            )
        return [(four or 24) if network.version == 4 else (six or 64) for network in networks]
    if common and (four or six):
        raise BuildError(
            "usage of --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 is not allowed if "
            "--node-cidr-mask-size is set. For dual-stack clusters please unset it and use IPFamily specific "
            "flags"
        )
    version = networks[0].version
    own, other, family = (four, six, 6) if version == 4 else (six, four, 4)
    if other:
        raise BuildError(
            f"usage of --node-cidr-mask-size-ipv{family} is not allowed for a single-stack IPv{version} "
            "cluster"
        )
    return [common or own or (24 if version == 4 else 64)]


def free_ranges(cluster: str, size: int, taken: Iterable[str]) -> Iterator[str]:
    """The nodes' ranges of the cluster's that nobody has, in order."""
    networks = [ipaddress.ip_network(one, strict=False) for one in taken]
    for network in ipaddress.ip_network(cluster).subnets(new_prefix=size):
        if not any(network.version == other.version and network.overlaps(other) for other in networks):
            yield str(network)


class NodeIPAMController(Controller):
    """The loop; keys are nodes' names. One worker: a range is given once."""

    name = "node-ipam-controller"
    account = "node-controller"
    source = "range_allocator.go:292"
    started = ("node_ipam_controller.go:142", '"Starting ipam controller"')
    workers = 1

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        flags = context.flags
        networks = [ipaddress.ip_network(text, strict=False) for text in flags.words("cluster-cidr")]
        self._cluster, self._size = str(networks[0]), mask_sizes(flags, networks)[0]
        self._given: dict[str, str] = {}
        self._recorder = context.recorder.named("cidrAllocator")
        self._nodes = self.informer(NODES)
        self._nodes.subscribe(Handler(self._look, lambda _, new: self._look(new), self._removed))

    def _look(self, node: Object) -> None:
        if range_ := node["spec"].get("podCIDR"):
            self._given[key_of(node)] = range_
        else:
            self.queue.add(key_of(node))

    def _removed(self, node: Object) -> None:
        self._given.pop(key_of(node), None)

    async def sync(self, key: str) -> None:
        node = self._nodes.store.by_key(key)
        if node is None or is_going(node) or node["spec"].get("podCIDR") or self.is_stale(node):
            return
        others = [range_ for name, range_ in self._given.items() if name != key]
        range_ = self._given.get(key) or next(free_ranges(self._cluster, self._size, others), None)
        if range_ is None:
            text = f"Node {key} status is now: CIDRNotAvailable"
            self._recorder.event(node, NORMAL, "CIDRNotAvailable", text)
            raise RuntimeError(
                "CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range"
            )
        self._given[key] = range_
        ranges = {"podCIDR": range_, "podCIDRs": [range_]}
        self.wrote(await self.client.patch(NODES, "", key, {"spec": ranges}))
        klog.info("range_allocator.go:433", "Set node PodCIDR", node=key, podCIDRs=[range_])
