"""What the node, its pods and their containers use, as values (`pkg/kubelet/stats/cri_stats_provider.go`).

Containers by the runtime's own figures, the node by /proc, disks by `statvfs`. Rates are taken between two
questions, as the kubelet does for runtimes that give none.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cri_api.v1 import api_pb2 as api

from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.model import Pod
from labs.kubelet.runtime_status import CONTAINER_NAME, POD_UID, PodStatus

if TYPE_CHECKING:
    from labs.kubelet.kubelet import Kubelet

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """Processor time and memory at a moment: nanoseconds, bytes; None is not known."""

    at: int
    cpu: int | None = None
    #: Nanoseconds per second, once there is something to compare with.
    rate: int | None = None
    working_set: int | None = None
    usage: int | None = None
    resident: int | None = None
    available: int | None = None
    faults: int | None = None
    major_faults: int | None = None


@dataclass(frozen=True)
class ContainerUse:
    """Of one running container."""

    name: str
    started: float
    use: Use
    #: Bytes and inodes of its writable layer; bytes and files of its logs.
    written: tuple[int, int]
    logged: tuple[int, int]


@dataclass(frozen=True)
class PodUse:
    """Of one pod that runs."""

    pod: Pod
    started: str
    containers: list[ContainerUse] = field(default_factory=list)

    def total(self) -> Use:
        """The sum over its containers."""
        uses = [each.use for each in self.containers]
        rates = [use.rate for use in uses if use.rate is not None]
        return Use(
            max((use.at for use in uses), default=time.time_ns()),
            sum(use.cpu or 0 for use in uses),
            sum(rates) if uses and len(rates) == len(uses) else None,
            sum(use.working_set or 0 for use in uses),
        )


class Rates:
    """Processor time per second, from one question to the next."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, int]] = {}
        self._asked: dict[str, tuple[int, int]] = {}

    def of(self, key: str, at: int, cpu: int) -> int | None:
        """Nanoseconds per second since the question before; None at the first."""
        self._asked[key] = (at, cpu)
        then, used = self._before.get(key, (at, 0))
        return max(0, (cpu - used) * 1_000_000_000 // (at - then)) if at > then else None

    def asked(self) -> None:
        """A question has been answered: forget who was not in it."""
        self._before, self._asked = self._asked, {}


async def of_pods(kubelet: "Kubelet", fs: HostFs, rates: Rates) -> list[PodUse]:
    """All pods that the runtime has a running container of. Raises CriError."""
    by_pod: dict[str, list[api.ContainerStats]] = {}
    for stats in await kubelet.cri.container_stats():
        by_pod.setdefault(stats.attributes.labels.get(POD_UID, ""), []).append(stats)
    found = []
    for pod in kubelet.pods():
        status = kubelet.syncer.runtime_statuses.get(pod.uid)
        if status is None or not by_pod.get(pod.uid):
            continue
        started = kubelet.syncer.status_of(pod).get("startTime", "")
        uses = [_container(kubelet, fs, pod, status, each, rates) for each in by_pod[pod.uid]]
        found.append(PodUse(pod, started, [use for use in uses if use is not None]))
    return found


def _container(
    kubelet: "Kubelet", fs: HostFs, pod: Pod, status: PodStatus, stats: api.ContainerStats, rates: Rates
) -> ContainerUse | None:
    name = stats.attributes.labels.get(CONTAINER_NAME, stats.attributes.metadata.name)
    running = next((c for c in status.running if c.id == stats.attributes.id), None)
    if running is None:
        return None
    cpu, memory = stats.cpu, stats.memory
    used = cpu.usage_core_nano_seconds.value
    rate = rates.of(running.id, cpu.timestamp, used)
    if cpu.HasField("usage_nano_cores"):
        rate = cpu.usage_nano_cores.value
    use = Use(
        cpu.timestamp or time.time_ns(), used, rate, memory.working_set_bytes.value,
        memory.usage_bytes.value if memory.HasField("usage_bytes") else None,
        memory.rss_bytes.value if memory.HasField("rss_bytes") else None,
    )  # fmt: skip
    layer = stats.writable_layer
    folder = kubelet.logs.path(pod, name, 0).rpartition("/")[0]
    written = (layer.used_bytes.value, layer.inodes_used.value)
    return ContainerUse(name, running.started_at.timestamp(), use, written, log_size(fs, folder))


def log_size(fs: HostFs, folder: str) -> tuple[int, int]:
    """Bytes on the disk, and files, of a container's logs."""
    try:
        found = [fs.stat(f"{folder}/{name}") for name in fs.listdir(folder)]
    except OSError:
        return 0, 0
    return sum(each.st_blocks * 512 for each in found), len(found)


def of_node(rates: Rates) -> Use:
    """The whole machine, from /proc."""
    at = time.time_ns()
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    busy = sum(ticks[:3]) + sum(ticks[5:8])
    memory = {name: int(rest.split()[0]) * 1024 for name, rest in _table("/proc/meminfo").items()}
    events = {name: int(rest) for name, rest in _table("/proc/vmstat", " ").items()}
    total, available = memory["MemTotal"], memory["MemAvailable"]
    return Use(
        at, busy * _TICK, rates.of("", at, busy * _TICK), total - available, total - memory["MemFree"],
        memory.get("AnonPages"), available, events.get("pgfault"), events.get("pgmajfault"),
    )  # fmt: skip


def swap() -> tuple[int, int]:
    """Bytes of swap that are free, and that are used."""
    memory = {name: int(rest.split()[0]) * 1024 for name, rest in _table("/proc/meminfo").items()}
    return memory["SwapFree"], memory["SwapTotal"] - memory["SwapFree"]


def processes() -> tuple[int, int]:
    """The largest process id, and how many tasks there are."""
    tasks = Path("/proc/loadavg").read_text().split()[3].partition("/")[2]
    return int(Path("/proc/sys/kernel/pid_max").read_text()), int(tasks)


def interfaces() -> dict[str, tuple[int, int, int, int]]:
    """By name: bytes and errors received, bytes and errors sent; not of the loopback."""
    counts = {name: rest.split() for name, rest in _table("/proc/net/dev").items() if " " in rest}
    return {
        name: (int(row[0]), int(row[2]), int(row[8]), int(row[10]))
        for name, row in sorted(counts.items())
        if name != "lo" and row[0].isdigit()
    }


def _table(path: str, separator: str = ":") -> dict[str, str]:
    lines = Path(path).read_text().splitlines()
    return {
        name.strip(): rest.strip() for name, found, rest in (ln.partition(separator) for ln in lines) if found
    }
