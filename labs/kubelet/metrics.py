"""What the kubelet counts as it works (`pkg/kubelet/metrics`, `pkg/kubelet/server/metrics`, `prober`).

What is counted only when it is asked for, such as how many pods there are, is in `server.exposition`.
"""

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.prometheus import Counter, Gauge, Histogram, Metric, exponential_buckets

_RUNTIME_BUCKETS = exponential_buckets(0.005, 2.5, 14)
_START_BUCKETS = (
    *(0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0, 240.0, 300.0),
    *(360.0, 480.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0),
)
_HTTP = ("method", "path", "server_type", "long_running")
_PROBE = ("probe_type", "container", "pod", "namespace", "pod_uid")


class KubeletMetrics:
    """All of them, and what moves them."""

    def __init__(self) -> None:
        self.operations = Counter(
            "kubelet_runtime_operations_total",
            "[ALPHA] Cumulative number of runtime operations by operation type.",
            ("operation_type",),
        )
        self.operation_duration = Histogram(
            "kubelet_runtime_operations_duration_seconds",
            "[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.",
            ("operation_type",),
            _RUNTIME_BUCKETS,
        )
        self.operation_errors = Counter(
            "kubelet_runtime_operations_errors_total",
            "[ALPHA] Cumulative number of runtime operation errors by operation type.",
            ("operation_type",),
        )
        self.started_pods = Counter("kubelet_started_pods_total", "[ALPHA] Cumulative number of pods started")
        self.started_pods_errors = Counter(
            "kubelet_started_pods_errors_total", "[ALPHA] Cumulative number of errors when starting pods"
        )
        self.sandbox_duration = Histogram(
            "kubelet_run_podsandbox_duration_seconds",
            "[ALPHA] Duration in seconds of the run_podsandbox operations. Broken down by "
            "RuntimeClass.Handler.",
            ("runtime_handler",),
        )
        self.started_containers = Counter(
            "kubelet_started_containers_total",
            "[ALPHA] Cumulative number of containers started",
            ("container_type",),
        )
        self.relist_duration = Histogram(
            "kubelet_pleg_relist_duration_seconds", "[ALPHA] Duration in seconds for relisting pods in PLEG."
        )
        self.relist_interval = Histogram(
            "kubelet_pleg_relist_interval_seconds",
            "[ALPHA] Interval in seconds between relisting in PLEG.",
        )
        self.relist_last = Gauge(
            "kubelet_pleg_last_seen_seconds", "[ALPHA] Timestamp in seconds when PLEG was last seen active."
        )
        self.worker_duration = Histogram(
            "kubelet_pod_worker_duration_seconds",
            "[ALPHA] Duration in seconds to sync a single pod. Broken down by operation type: create, "
            "update, "
            "or sync",
            ("operation_type",),
        )
        self.pod_start = Histogram(
            "kubelet_pod_start_duration_seconds",
            "[ALPHA] Duration in seconds from kubelet seeing a pod for the first time to the pod "
            "starting to run",
            (),
            _START_BUCKETS,
        )
        self.http_requests = Counter(
            "kubelet_http_requests_total",
            "[ALPHA] Number of the http requests received since the server started",
            _HTTP,
        )
        self.http_duration = Histogram(
            "kubelet_http_requests_duration_seconds",
            "[ALPHA] Duration in seconds to serve http requests",
            _HTTP,
        )
        self.http_inflight = Gauge(
            "kubelet_http_inflight_requests", "[ALPHA] Number of the inflight http requests", _HTTP
        )
        self.probes = Counter(
            "prober_probe_total",
            "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.",
            ("result", *_PROBE),
        )
        self.probe_duration = Histogram(
            "prober_probe_duration_seconds",
            "[ALPHA] Duration in seconds for a probe response.",
            ("probe_type", "container", "pod", "namespace"),
        )
        self._relisted_at = 0.0

    def of_the_kubelet(self) -> list[Metric]:
        """All that `/metrics` tells; those of probes have a path of their own."""
        own = [self.probes, self.probe_duration]
        return [each for each in vars(self).values() if isinstance(each, Metric) and each not in own]

    def runtime_operation(self, request: object, seconds: float, failed: bool) -> None:
        """A call of the runtime has come back."""
        operation = _operation(type(request).__name__)
        self.operations.inc(operation)
        self.operation_duration.observe(seconds, operation)
        if failed:
            self.operation_errors.inc(operation)
        if operation == "run_podsandbox":
            self.sandbox_duration.observe(seconds, "")
            (self.started_pods_errors if failed else self.started_pods).inc()

    def relisted(self, seconds: float) -> None:
        """All of the runtime was listed."""
        now = time.time()
        self.relist_duration.observe(seconds)
        if self._relisted_at:
            self.relist_interval.observe(now - self._relisted_at)
        self._relisted_at = now
        self.relist_last.set(now)

    def container_started(self, pod: Pod, container: Container) -> None:
        """A container of a pod was started."""
        initial = any(container is each for each in pod.init_containers)
        self.started_containers.inc("init_container" if initial else "container")

    def probed(self, kind: str, result: str, pod: Pod, container: Container, seconds: float) -> None:
        """A probe has `result`: successful, failed or unknown."""
        names = (kind.capitalize(), container.name, pod.name, pod.namespace)
        self.probes.inc(result, *names, pod.uid)
        self.probe_duration.observe(seconds, *names)


def _operation(request: str) -> str:
    """`RunPodSandboxRequest` is `run_podsandbox`."""
    name = request.removesuffix("Request").replace("PodSandbox", "Podsandbox")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Syncer(Protocol):
    """What is timed of a pod's syncer."""

    async def sync(self, pod: Pod) -> None: ...
    async def terminate(self, pod: Pod) -> None: ...
    async def terminated(self, pod: Pod, wanted: bool, coming_back: bool) -> None: ...
    def status_of(self, pod: Pod) -> dict[str, Any]: ...


class TimedSyncer:
    """A syncer that tells how long it takes."""

    def __init__(self, syncer: Syncer, metrics: KubeletMetrics, now: Callable[[], datetime]) -> None:
        self._syncer = syncer
        self._metrics = metrics
        self._now = now

    async def sync(self, pod: Pod) -> None:
        """One sync; the first that finds the pod running ends its start."""
        pending, began = self._phase(pod) == "Pending", time.monotonic()
        try:
            await self._syncer.sync(pod)
        finally:
            operation = "create" if pending else "sync"
            self._metrics.worker_duration.observe(time.monotonic() - began, operation)
            if pending and self._phase(pod) == "Running":
                seen = pod.object["metadata"].get("annotations", {}).get("kubernetes.io/config.seen")
                if seen:
                    since = datetime.fromisoformat(seen)
                    self._metrics.pod_start.observe((self._now() - since).total_seconds())

    def _phase(self, pod: Pod) -> str:
        return str(self._syncer.status_of(pod).get("phase"))

    async def terminate(self, pod: Pod) -> None:
        await self._syncer.terminate(pod)

    async def terminated(self, pod: Pod, wanted: bool, coming_back: bool) -> None:
        await self._syncer.terminated(pod, wanted, coming_back)
