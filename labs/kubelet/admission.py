"""Whether this node takes a pod (`lifecycle/predicate.go`, `preemption`, `sysctl/allowlist.go`).

A static pod that is refused becomes Failed and is not tried again until its manifest changes or the kubelet
restarts; no mirror tells of it. Static pods are critical: what lacks is taken from others, but all others
here are static pods themselves, so nothing can be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from labs.kubelet.pod.model import Pod
from labs.kubelet.resources import pod_total

SAFE_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Rejection:
    """Why a pod is refused; the words of its event."""

    reason: str
    message: str


@dataclass(frozen=True)
class Room:
    """What the node has to give."""

    labels: Mapping[str, str]
    name: str
    cpu: Decimal
    memory: Decimal
    storage: Decimal
    pods: int
    allowed_sysctls: tuple[str, ...] = ()


def admit(pod: Pod, others: Iterable[Pod], room: Room) -> Rejection | None:
    """The first reason against the pod; `others` are the active pods of the node."""
    active = list(others)
    return (
        _wrong_system(pod)
        or _sysctls(pod, room)
        or _predicates(pod, active, room)
        or _resources(pod, active, room)
    )


def _wrong_system(pod: Pod) -> Rejection | None:
    if pod.object["spec"].get("os", {}).get("name", "linux") != "linux":
        return Rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None


def _sysctls(pod: Pod, room: Room) -> Rejection | None:
    for setting in pod.security.get("sysctls", ()):
        name = setting["name"].replace("/", ".")
        refused = ""
        if name.startswith("net.") and pod.host_network:
            refused = "not allowed with host net enabled"
        elif name.startswith(("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")) and pod.host_ipc:
            refused = "not allowed with host ipc enabled"
        elif name not in SAFE_SYSCTLS and not any(fnmatchcase(name, a) for a in room.allowed_sysctls):
            refused = "not allowlisted"
        if refused:
            return Rejection("SysctlForbidden", f'forbidden sysctl: "{name}" {refused}')
    return None


def _predicates(pod: Pod, others: list[Pod], room: Room) -> Rejection | None:
    if not _affine(pod, room):
        why = "node(s) didn't match Pod's node affinity/selector"
        return Rejection("NodeAffinity", f"Predicate NodeAffinity failed: {why}")
    taken = {port for other in others for port in _host_ports(other)}
    if any(_clash(port, other) for port in _host_ports(pod) for other in taken):
        why = "node(s) didn't have free ports for the requested pod ports"
        return Rejection("NodePorts", f"Predicate NodePorts failed: {why}")
    return None


def _host_ports(pod: Pod) -> set[tuple[str, str, int]]:
    return {
        (port.get("hostIP") or "0.0.0.0", port["protocol"], port["hostPort"])
        for container in pod.all_containers
        for port in container.ports
        if port.get("hostPort")
    }


def _clash(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    return one[1:] == other[1:] and (one[0] == other[0] or "0.0.0.0" in (one[0], other[0]))


def _affine(pod: Pod, room: Room) -> bool:
    spec = pod.object["spec"]
    if any(room.labels.get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return False
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term(term, room) for term in required.get("nodeSelectorTerms", ()))


def _term(term: Mapping[str, Any], room: Room) -> bool:
    """A term with nothing in it matches nothing."""
    labels, fields = term.get("matchExpressions", ()), term.get("matchFields", ())
    if not labels and not fields:
        return False
    own = {"metadata.name": room.name}
    return all(_matches(e, room.labels) for e in labels) and all(_matches(e, own) for e in fields)


def _matches(expression: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    value, wanted = values.get(expression.get("key", "")), expression.get("values", ())
    match expression.get("operator"):
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            numbers = (value or "", *wanted[:1])
            if len(numbers) != 2 or not all(n.lstrip("-").isdigit() for n in numbers):
                return False
            return (
                int(numbers[0]) > int(numbers[1]) if operator == "Gt" else int(numbers[0]) < int(numbers[1])
            )
    return False


def _resources(pod: Pod, others: list[Pod], room: Room) -> Rejection | None:
    wanted = pod_total(pod, "requests")
    used = [pod_total(other, "requests") for other in others]
    lacking = []
    if len(others) + 1 > room.pods:
        lacking.append("(res: pods, q: 1), ")
    for name, has, unit in (
        ("cpu", room.cpu, 1000),
        ("memory", room.memory, 1),
        ("ephemeral-storage", room.storage, 1),
    ):
        request = wanted.get(name, Decimal())
        short = request - (has - sum((u.get(name, Decimal()) for u in used), Decimal()))
        if request and short > 0:
            lacking.append(f"(res: {name}, q: {int(short * unit)}), ")
    if not lacking:
        return None
    why = f"no set of running pods found to reclaim resources: [{''.join(lacking)}]"
    return Rejection(
        "UnexpectedAdmissionError",
        "Unexpected error while attempting to recover from admission failure: preemption: error finding a "
        f"set of pods to preempt: {why}",
    )
