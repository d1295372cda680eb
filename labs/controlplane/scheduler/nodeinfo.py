"""What is known of each node when a pod is placed: its pods and what they ask for (`framework.NodeInfo`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.controlplane.helpers.podresources import Amounts, non_zero_requests, requests
from labs.core.quantity import quantity_value

Object = dict[str, Any]
#: (IP, protocol, port) on the node.
HostPort = tuple[str, str, int]
_EVERYWHERE = "0.0.0.0"


class PodInfo:
    """A pod and what of it does not change, worked out once."""

    def __init__(self, pod: Object) -> None:
        self.pod = pod
        self.spec: Object = pod["spec"]
        self.requests: Amounts = requests(pod)
        self.non_zero: Amounts = non_zero_requests(pod)
        self.ports = frozenset(_host_ports(self.spec))

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"].get("namespace", ""))

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def priority(self) -> int:
        return int(self.spec.get("priority") or 0)

    @property
    def labels(self) -> Mapping[str, str]:
        return self.pod["metadata"].get("labels") or {}

    @property
    def tolerations(self) -> list[Object]:
        return self.spec.get("tolerations") or []

    def terms(self, kind: str, rule: str) -> list[Object]:
        """The terms of `affinity.KIND.RULEDuringSchedulingIgnoredDuringExecution`."""
        affinity = (self.spec.get("affinity") or {}).get(kind) or {}
        return affinity.get(f"{rule}DuringSchedulingIgnoredDuringExecution") or []


def _host_ports(spec: Object) -> Iterator[HostPort]:
    sidecars = (c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")
    for container in (*(spec.get("containers") or ()), *sidecars):
        for port in container.get("ports") or ():
            if number := port.get("hostPort"):
                yield port.get("hostIP") or _EVERYWHERE, port.get("protocol") or "TCP", int(number)


@dataclass
class NodeInfo:
    """A node and the pods on it, those included that are on their way there."""

    node: Object
    pods: dict[str, PodInfo] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.node["metadata"]["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.node["metadata"].get("labels") or {}

    @property
    def taints(self) -> list[Object]:
        return self.node.get("spec", {}).get("taints") or []

    @property
    def allocatable(self) -> Amounts:
        """What pods may ask for: cpu in thousandths, the rest in whole units."""
        found = (self.node.get("status") or {}).get("allocatable") or {}
        return {
            name: int(quantity_value(amount) * (1000 if name == "cpu" else 1))
            for name, amount in found.items()
        }

    def requested(self, *, non_zero: bool = False) -> Amounts:
        """What the pods ask for together; with `non_zero`, those that ask for nothing are given a little."""
        total: Amounts = {}
        for pod in self.pods.values():
            for name, amount in (pod.non_zero if non_zero else pod.requests).items():
                total[name] = total.get(name, 0) + amount
        return total

    def conflicts(self, ports: Iterable[HostPort]) -> bool:
        """Whether one of the ports is taken."""
        taken = [port for pod in self.pods.values() for port in pod.ports]
        return any(_collide(wanted, other) for wanted in ports for other in taken)

    def with_pods(self, pods: Iterable[PodInfo]) -> NodeInfo:
        """The same node with other pods."""
        return NodeInfo(self.node, {pod.uid: pod for pod in pods})


def _collide(one: HostPort, other: HostPort) -> bool:
    if one[1:] != other[1:]:
        return False
    return one[0] == other[0] or _EVERYWHERE in (one[0], other[0])


@dataclass(frozen=True)
class Snapshot:
    """All nodes at one moment, and the labels of the namespaces."""

    nodes: Mapping[str, NodeInfo]
    namespaces: Mapping[str, Mapping[str, str]]

    def replaced(self, info: NodeInfo) -> Snapshot:
        """The same with another state of one node."""
        return Snapshot({**self.nodes, info.name: info}, self.namespaces)
