"""Requests and limits as the runtime takes them (`kuberuntime_container_linux.go`, `component-helpers`)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cri_api.v1 import api_pb2 as api

from labs.core.quantity import milli, quantity_value
from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.model import Container, Pod

CPU_PERIOD = 100_000
Amounts = Mapping[str, Decimal]


@dataclass(frozen=True)
class Machine:
    """What of the machine decides on limits."""

    memory: int
    cgroup2: bool = False
    #: Whether the kernel counts swap per cgroup.
    counts_swap: bool = False
    #: As cgroups name them: `2MB`, `1GB`.
    page_sizes: tuple[str, ...] = ()

    @classmethod
    def read(cls, fs: HostFs, memory: int) -> "Machine":
        """Ask the machine."""
        cgroup2 = fs.kind("/sys/fs/cgroup/cgroup.controllers") is not None
        swap = "/proc/swaps" if cgroup2 else "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"
        try:
            names = fs.listdir("/sys/kernel/mm/hugepages")
        except OSError:
            names = []
        sizes = sorted(int(name.removeprefix("hugepages-").removesuffix("kB")) for name in names)
        return cls(memory, cgroup2, fs.kind(swap) is not None, tuple(map(_page_size, sizes)))


def _page_size(kib: int) -> str:
    for unit, factor in (("GB", 2**20), ("MB", 2**10)):
        if kib >= factor:
            return f"{kib // factor}{unit}"
    return f"{kib}KB"


def cpu_shares(milli_cpu: int) -> int:
    """`MilliCPUToShares`."""
    return min(262144, max(2, milli_cpu * 1024 // 1000))


def _int64(number: Decimal | int) -> int:
    """As a limit of the runtime's: nothing can be given more than that."""
    return min(int(number), 2**63 - 1)


def _limits(cpu: int, cpu_limit: int, memory: int, machine: Machine) -> api.LinuxContainerResources:
    resources = api.LinuxContainerResources(
        cpu_period=CPU_PERIOD,
        cpu_quota=_int64(max(1000, cpu_limit * CPU_PERIOD // 1000)) if cpu_limit else 0,
        cpu_shares=cpu_shares(cpu),
        memory_limit_in_bytes=memory,
    )
    if machine.cgroup2:
        resources.unified["memory.oom.group"] = "1"
    return resources


def container_resources(
    container: Container, oom_score: int, machine: Machine
) -> api.LinuxContainerResources:
    """The cgroup settings of one container."""
    requests, limits = container.resources.get("requests", {}), container.resources.get("limits", {})
    cpu = requests.get("cpu", "0")
    memory = _int64(quantity_value(limits.get("memory", "0")))
    resources = _limits(milli(cpu), milli(limits.get("cpu", "0")), memory, machine)
    resources.oom_score_adj = oom_score
    if machine.counts_swap and machine.cgroup2:
        resources.unified["memory.swap.max"] = "0"
    elif machine.counts_swap:
        resources.memory_swap_limit_in_bytes = memory
    huge = {name: amount for name, amount in limits.items() if name.startswith("hugepages-")}
    by_size = {_page_size(int(quantity_value(name[10:])) // 1024): amount for name, amount in huge.items()}
    resources.hugepage_limits.extend(
        api.HugepageLimit(page_size=size, limit=_int64(quantity_value(by_size.get(size, "0"))))
        for size in machine.page_sizes
    )
    return resources


def sandbox_resources(pod: Pod, machine: Machine) -> api.LinuxContainerResources:
    """The sum over the pod, for runtimes that size the sandbox by it."""
    requests, limits = pod_total(pod, "requests"), pod_total(pod, "limits")
    cpu, limit = (each.get("cpu", Decimal()) for each in (requests, limits))
    return _limits(int(cpu * 1000), int(limit * 1000), _int64(limits.get("memory", Decimal())), machine)


def _amounts(container: Container, kind: str) -> Amounts:
    return {name: quantity_value(text) for name, text in container.resources.get(kind, {}).items()}


def _sum(each: Iterable[Amounts]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for amounts in each:
        for name, amount in amounts.items():
            total[name] = total.get(name, Decimal()) + amount
    return total


def pod_total(pod: Pod, kind: str) -> dict[str, Decimal]:
    """`PodRequests`/`PodLimits`: containers and sidecars together, or the largest moment of the start."""
    sidecars: list[Amounts] = []
    peak: dict[str, Decimal] = {}
    for container in pod.init_containers:
        own = _amounts(container, kind)
        if container.is_sidecar:
            sidecars.append(own)
        moment = _sum(sidecars if container.is_sidecar else [*sidecars, own])
        peak = {name: max(peak.get(name, Decimal()), amount) for name, amount in {**peak, **moment}.items()}
    running = _sum([*(_amounts(c, kind) for c in pod.containers), *sidecars])
    return {n: max(peak.get(n, Decimal()), running.get(n, Decimal())) for n in {**running, **peak}}
