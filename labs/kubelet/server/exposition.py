"""`/metrics` and what is below it: what this kubelet can tell truly, so nothing of Go and of cgroups."""

import os
import resource
import time
from collections import Counter as Count
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from labs.kubelet.cri import CriError
from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod_workers import Phase
from labs.kubelet.prometheus import Counter, Gauge, Histogram, Metric, exponential_buckets, exposition
from labs.kubelet.runtime_status import State
from labs.kubelet.server import usage
from labs.kubelet.server.usage import PodUse, Rates, Use
from labs.kubelet.server.web import Response

if TYPE_CHECKING:
    from labs.kubelet.kubelet import Kubelet

_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_STATIC = (("", False), ("true", True))
_CONTAINER = ("container", "namespace", "pod")
_IDS = ("namespace", "pod")


async def answer(kubelet: "Kubelet", fs: HostFs, below: str = "") -> Response:
    """`below` is `cadvisor`, `probes`, `resource` or nothing."""
    match below:
        case "probes":
            metrics: Iterable[Metric] = [
                kubelet.metrics.probes,
                kubelet.metrics.probe_duration,
                _start_time(),
            ]
        case "resource":
            metrics = await _resource(kubelet, fs)
        case "cadvisor":
            metrics = [*await _containers(kubelet, fs), *_machine(kubelet)]
        case _:
            metrics = [*kubelet.metrics.of_the_kubelet(), *_pods(kubelet), *_logs(kubelet, fs), *_process()]
    return Response(200, exposition(metrics), _TYPE)


def _gauge(name: str, description: str, value: float, labels: dict[str, str] | None = None) -> Gauge:
    labels = labels or {}
    metric = Gauge(name, description, labels)
    metric.set(value, *labels.values())
    return metric


def _pods(kubelet: "Kubelet") -> Iterable[Metric]:
    """How many pods and containers there are, now."""
    pods = kubelet.pods()
    desired = Gauge(
        "kubelet_desired_pods",
        "[ALPHA] The number of pods the kubelet is being instructed to run. static is true if the pod is not "
        "from the apiserver.",
        ("static",),
    )
    active = Gauge(
        "kubelet_active_pods",
        "[ALPHA] The number of pods the kubelet considers active and which are being considered when "
        "admitting new pods. static is true if the pod is not from the apiserver.",
        ("static",),
    )
    for label, static in _STATIC:
        chosen = [pod for pod in pods if pod.is_static is static]
        desired.set(len(chosen), label)
        active.set(sum(kubelet.allocation.is_active(pod) for pod in chosen), label)
    yield desired
    yield active
    mirrored = sum(pod.is_static for pod in pods) if kubelet.mirrors is not None else 0
    yield _gauge(
        "kubelet_mirror_pods",
        "[ALPHA] The number of mirror pods the kubelet will try to create (one per admitted static pod)",
        mirrored,
    )
    per_pod = Histogram(
        "kubelet_containers_per_pod_count", "[ALPHA] The number of containers per pod.", (),
        exponential_buckets(1, 2, 5),
    )  # fmt: skip
    for pod in pods:
        per_pod.observe(len(pod.containers))
    yield per_pod
    yield _working(kubelet)
    yield from _running(kubelet)
    yield _gauge(
        "kubelet_node_name", "[ALPHA] The node's name. The count is always 1.", 1, {"node": kubelet.node_name}
    )


def _working(kubelet: "Kubelet") -> Gauge:
    metric = Gauge(
        "kubelet_working_pods",
        "[ALPHA] Number of pods the kubelet is actually running, broken down by lifecycle phase, whether the "
        "pod is desired, orphaned, or runtime only (also orphaned), and whether the pod is static. "
        "An orphaned "
        "pod has been removed from local configuration or force deleted in the API and consumes "
        "resources that "
        "are not otherwise visible.",
        ("config", "lifecycle", "static"),
    )
    phases = {Phase.SYNCING: "sync", Phase.TERMINATING: "terminating", Phase.TERMINATED: "terminated"}
    for lifecycle in phases.values():
        for config in ("desired", "orphan"):
            for label, _ in _STATIC:
                metric.set(0, config, lifecycle, label)
        metric.set(0, "runtime_only", lifecycle, "unknown")
    wanted = {pod.uid for pod in kubelet.pods()}
    for worker in kubelet.workers.all():
        lifecycle = phases.get(worker.phase, "")
        if not lifecycle:
            continue
        if not worker.pod.containers:  # made of what the runtime said
            metric.inc("runtime_only", lifecycle, "unknown")
        else:
            config = "desired" if worker.pod.uid in wanted else "orphan"
            metric.inc(config, lifecycle, "true" if worker.pod.is_static else "")
    return metric


def _running(kubelet: "Kubelet") -> Iterable[Metric]:
    names = {
        State.CREATED: "created",
        State.RUNNING: "running",
        State.EXITED: "exited",
        State.UNKNOWN: "unknown",
    }
    statuses = list(kubelet.syncer.runtime_statuses.values())
    states = Count(names[c.state] for status in statuses for c in status.containers)
    containers = Gauge(
        "kubelet_running_containers", "[ALPHA] Number of containers currently running", ("container_state",)
    )
    for state, count in states.items():
        containers.set(count, state)
    yield containers
    pods = sum(any(s.ready for s in status.sandboxes) for status in statuses)
    yield _gauge("kubelet_running_pods", "[ALPHA] Number of pods that have a running pod sandbox", pods)


def _logs(kubelet: "Kubelet", fs: HostFs) -> Iterable[Metric]:
    metric = Gauge(
        "kubelet_container_log_filesystem_used_bytes",
        "[ALPHA] Bytes used by the container's logs on the filesystem.",
        ("uid", "namespace", "pod", "container"),
    )
    for pod in kubelet.pods():
        for container in pod.containers:
            folder = kubelet.logs.path(pod, container.name, 0).rpartition("/")[0]
            size, files = usage.log_size(fs, folder)
            if files:
                metric.set(size, pod.uid, pod.namespace, pod.name, container.name)
    yield metric


def _start_time() -> Metric:
    ticks = int(_own_stat()[19]) / os.sysconf("SC_CLK_TCK")
    booted = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    text = "[ALPHA] Start time of the process since unix epoch in seconds."
    return _gauge("process_start_time_seconds", text, round(booted + ticks, 2))


def _own_stat() -> list[str]:
    return Path("/proc/self/stat").read_text().rpartition(")")[2].split()


def _process() -> Iterable[Metric]:
    """This process (`prometheus/client_golang`, process collector)."""
    stat = _own_stat()
    spent = Counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
    spent.inc(by=(int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"))
    yield spent
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield _gauge("process_max_fds", "Maximum number of open file descriptors.", limit)
    descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1
    yield _gauge("process_open_fds", "Number of open file descriptors.", descriptors)
    yield _gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", int(stat[20]))
    resident = int(stat[21]) * os.sysconf("SC_PAGE_SIZE")
    yield _gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident)
    yield _start_time()


class _Table:
    """Metrics of one endpoint, made as their values come."""

    def __init__(self) -> None:
        self.metrics: dict[str, Metric] = {}

    def put(
        self, kind: type[Metric], name: str, text: str, value: float | None, labels: dict[str, str]
    ) -> None:
        """One value, if it is known."""
        if value is not None:
            self.metrics.setdefault(name, kind(name, text, labels)).set(value, *labels.values())


async def _resource(kubelet: "Kubelet", fs: HostFs) -> Iterable[Metric]:
    """What metrics-server reads (`pkg/kubelet/metrics/collectors/resource_metrics.go`)."""
    table, failed = _Table(), 0
    try:
        pods = await usage.of_pods(kubelet, fs, Rates())
    except CriError:
        pods, failed = [], 1
    _put_use(table, "node", "node", usage.of_node(Rates()), {})
    for pod in pods:
        ids = {"namespace": pod.pod.namespace, "pod": pod.pod.name}
        _put_use(table, "pod", "pod", pod.total(), ids)
        for each in pod.containers:
            labels = {"container": each.name, **ids}
            _put_use(table, "container", "container", each.use, labels)
            text = "[STABLE] Start time of the container since unix epoch in seconds"
            table.put(Gauge, "container_start_time_seconds", text, each.started, labels)
    text = "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"
    return [*table.metrics.values(), _gauge("resource_scrape_error", text, failed)]


def _put_use(table: _Table, prefix: str, of: str, use: Use, labels: dict[str, str]) -> None:
    seconds = None if use.cpu is None else use.cpu / 1e9
    text = f"[STABLE] Cumulative cpu time consumed by the {of} in core-seconds"
    table.put(Counter, f"{prefix}_cpu_usage_seconds_total", text, seconds, labels)
    text = f"[STABLE] Current working set of the {of} in bytes"
    table.put(Gauge, f"{prefix}_memory_working_set_bytes", text, use.working_set, labels)


async def _containers(kubelet: "Kubelet", fs: HostFs) -> Iterable[Metric]:
    """What cAdvisor tells of containers, as far as the runtime does."""
    table, failed = _Table(), 0
    try:
        pods: list[PodUse] = await usage.of_pods(kubelet, fs, Rates())
    except CriError:
        pods, failed = [], 1
    for pod in pods:
        status = kubelet.syncer.runtime_statuses[pod.pod.uid]
        for each in pod.containers:
            found = status.newest(each.name)
            labels = {
                "container": each.name, "image": found.image if found else "",
                "name": found.id if found else "", "namespace": pod.pod.namespace, "pod": pod.pod.name,
            }  # fmt: skip
            put, use = table.put, each.use
            seconds = None if use.cpu is None else use.cpu / 1e9
            text = "Cumulative cpu time consumed in seconds."
            put(Counter, "container_cpu_usage_seconds_total", text, seconds, {"cpu": "total", **labels})
            text = "Current working set in bytes."
            put(Gauge, "container_memory_working_set_bytes", text, use.working_set, labels)
            text = "Current memory usage in bytes, including all memory regardless of when it was accessed"
            put(Gauge, "container_memory_usage_bytes", text, use.usage, labels)
            put(Gauge, "container_memory_rss", "Size of RSS in bytes.", use.resident, labels)
            text = "Number of bytes that are consumed by the container on this filesystem."
            put(Gauge, "container_fs_usage_bytes", text, each.written[0], labels)
            text = "Start time of the container since unix epoch in seconds."
            put(Gauge, "container_start_time_seconds", text, each.started, labels)
    text = "1 if there was an error while getting container metrics, 0 otherwise"
    return [*table.metrics.values(), _gauge("container_scrape_error", text, failed)]


def _machine(kubelet: "Kubelet") -> Iterable[Metric]:
    facts = kubelet.facts
    ids = {"boot_id": facts.boot_id, "machine_id": facts.machine_id, "system_uuid": facts.system_uuid}
    yield _gauge("machine_cpu_cores", "Number of logical CPU cores.", facts.cpus, ids)
    memory = facts.memory_kib * 1024
    yield _gauge("machine_memory_bytes", "Amount of memory installed on the machine.", memory, ids)
    yield _gauge(
        "machine_swap_bytes", "Amount of swap memory available on the machine.", sum(usage.swap()), ids
    )
