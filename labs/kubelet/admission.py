"""Whether this node takes a pod (`lifecycle/predicate.go`, `preemption`, `sysctl/allowlist.go`, `apparmor`).

A pod that is refused becomes Failed. A pod of the API stays so; a static one is not tried again until its
manifest changes or the kubelet restarts, and no mirror tells of it. Static pods are critical: where resources
lack, pods that are not have to make room.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from labs.kubelet.pod.model import Pod
from labs.kubelet.preemption import PreemptionError, victims_of
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
class Preemption:
    """The pod may run once these have gone."""

    victims: tuple[Pod, ...]


@dataclass(frozen=True)
class _Lack:
    """A resource that is short, in the unit it is told in."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def short(self) -> int:
        return self.requested - (self.capacity - self.used)


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
    taints: tuple[Mapping[str, Any], ...] = ()
    #: Whether the kernel has AppArmor, and it is on.
    apparmor: bool = True


def admit(pod: Pod, others: Iterable[Pod], room: Room) -> Rejection | Preemption | None:
    """The first reason against the pod, if any; `others` are the active pods of the node."""
    active = list(others)
    refused = _wrong_system(pod) or _sysctls(pod, room)
    if refused:
        return refused
    lacking = _lacking(pod, active, room)
    if pod.is_critical:
        return _predicates(pod, active, room) or _make_room(pod, active, lacking) or _apparmor(pod, room)
    return _out_of(lacking) or _predicates(pod, active, room) or _apparmor(pod, room)


def _out_of(lacking: list[_Lack]) -> Rejection | None:
    if not lacking:
        return None
    first = lacking[0]
    amounts = f"requested: {first.requested}, used: {first.used}, capacity: {first.capacity}"
    why = f"Node didn't have enough resource: {first.resource}, {amounts}"
    return Rejection(f"OutOf{first.resource}", why)


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


def _apparmor(pod: Pod, room: Room) -> Rejection | None:
    """A profile is enforced or the pod does not run (`pkg/security/apparmor`)."""
    contexts = [pod.security, *(container.security for container in pod.all_containers)]
    kinds = {context.get("appArmorProfile", {}).get("type", "Unconfined") for context in contexts}
    if room.apparmor or kinds == {"Unconfined"}:
        return None
    return Rejection("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")


def _predicates(pod: Pod, others: list[Pod], room: Room) -> Rejection | None:
    if not _affine(pod, room):
        why = "node(s) didn't match Pod's node affinity/selector"
        return Rejection("NodeAffinity", f"Predicate NodeAffinity failed: {why}")
    taken = {port for other in others for port in _host_ports(other)}
    if any(_clash(port, other) for port in _host_ports(pod) for other in taken):
        why = "node(s) didn't have free ports for the requested pod ports"
        return Rejection("NodePorts", f"Predicate NodePorts failed: {why}")
    if _untolerated(pod, room):
        why = "node(s) had taints that the pod didn't tolerate"
        return Rejection("TaintToleration", f"Predicate TaintToleration failed: {why}")
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


def _lacking(pod: Pod, others: list[Pod], room: Room) -> list[_Lack]:
    """What the node has too little of, in the order in which it is told."""
    found = []
    if len(others) + 1 > room.pods:
        found.append(_Lack("pods", 1, len(others), room.pods))
    wanted = pod_total(pod, "requests")
    used = [pod_total(other, "requests") for other in others]
    for name, has, unit in (
        ("cpu", room.cpu, 1000),
        ("memory", room.memory, 1),
        ("ephemeral-storage", room.storage, 1),
    ):
        request, taken = wanted.get(name, Decimal()), sum((u.get(name, Decimal()) for u in used), Decimal())
        if request and request > has - taken:
            found.append(_Lack(name, int(request * unit), int(taken * unit), int(has * unit)))
    return found


def _make_room(pod: Pod, others: list[Pod], lacking: list[_Lack]) -> Rejection | Preemption | None:
    """A critical pod does not fail for want of resources while others can be preempted."""
    if not lacking:
        return None
    try:
        return Preemption(tuple(victims_of(pod, others, {lack.resource: lack.short for lack in lacking})))
    except PreemptionError as error:
        return Rejection(
            "UnexpectedAdmissionError",
            "Unexpected error while attempting to recover from admission failure: preemption: error finding "
            f"a set of pods to preempt: {error}",
        )


def _untolerated(pod: Pod, room: Room) -> bool:
    """Whether a NoExecute taint of the node drives the pod away; static pods are never asked."""
    tolerations = pod.object["spec"].get("tolerations", ())
    taints = [taint for taint in room.taints if taint.get("effect") == "NoExecute"]
    return not pod.is_static and not all(any(_tolerates(t, taint) for t in tolerations) for taint in taints)


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")
