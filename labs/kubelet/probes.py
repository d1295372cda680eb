"""Probing containers over time (`pkg/kubelet/prober`): one task per running container and probe.

Results are kept by container id: startup and liveness are unknown until their thresholds are met, readiness
is False. Whoever waits for a change is told by `changed(uid)`.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from labs.kubelet import klog
from labs.kubelet.events import WARNING, EventRecorder
from labs.kubelet.pod.model import Container, Pod, Probe
from labs.kubelet.prober import Execer, Outcome, ProbeError, probe
from labs.kubelet.runtime_status import ContainerState, PodStatus, State
from labs.kubelet.ticker import Ticker

#: A probe that cannot be tried is tried again this often before the period.
ATTEMPTS = 3


class ProbeManager:
    """The probe tasks of all pods, and what they found."""

    def __init__(
        self,
        runtime: Execer,
        events: EventRecorder,
        changed: Callable[[str], None],
        now: Callable[[], datetime],
        probed: Callable[[str, str, Pod, Container, float], None] = lambda *_: None,
    ) -> None:
        """`probed` is told of each probe: kind, result, whose it was, and how many seconds it took."""
        self._runtime = runtime
        self._events = events
        self._changed = changed
        self._now = now
        self._probed = probed
        self._began = now()
        self._tasks: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        self._started: dict[str, asyncio.Event] = {}
        self.results: dict[str, dict[str, bool]] = {"startup": {}, "liveness": {}, "readiness": {}}

    def update(self, pod: Pod, status: PodStatus, host_ip: str) -> None:
        """Probe exactly the pod's running containers."""
        wanted = {}
        for container in pod.all_containers:
            newest = status.newest(container.name)
            if newest is not None and newest.state is State.RUNNING:
                for each in container.probes:
                    wanted[(pod.uid, newest.id, each.kind)] = (container, newest, each)
        for key in [k for k in self._tasks if k[0] == pod.uid and k not in wanted]:
            self._drop(key)
        ip = host_ip if pod.host_network else (status.ips[0] if status.ips else "")
        for key, (container, newest, each) in wanted.items():
            if key not in self._tasks:
                task = asyncio.create_task(
                    self._run(pod, container, newest, each, ip), name=f"probe {pod.ref} {each.kind}"
                )
                self._tasks[key] = task

    def stop(self, uid: str, kinds: tuple[str, ...] = ("startup", "liveness", "readiness")) -> None:
        """End a pod's probes of these kinds."""
        for key in [k for k in self._tasks if k[0] == uid and k[2] in kinds]:
            self._drop(key)

    def _drop(self, key: tuple[str, str, str]) -> None:
        self._tasks.pop(key).cancel()
        self.results[key[2]].pop(key[1], None)
        self._started.pop(key[1], None)

    def close(self) -> None:
        """End all probes."""
        for key in [*self._tasks]:
            self._drop(key)

    def adopt(self, container_id: str, kind: str) -> None:
        """Take a result over from before a restart of the kubelet."""
        self.results[kind].setdefault(container_id, True)
        if kind == "startup":
            self._started.setdefault(container_id, asyncio.Event()).set()

    async def _run(
        self, pod: Pod, container: Container, running: ContainerState, each: Probe, ip: str
    ) -> None:
        if each.kind == "startup":
            if self.results["startup"].get(running.id):
                return
            self._started.setdefault(running.id, asyncio.Event())
        elif container.probe("startup"):
            await self._started.setdefault(running.id, asyncio.Event()).wait()
        if each.kind == "readiness" and running.id not in self.results["readiness"]:
            self.results["readiness"][running.id] = False
            if running.started_at < self._began:
                self._changed(pod.uid)  # the API calls it ready, from before a restart of the kubelet
        age = (self._now() - running.started_at).total_seconds()
        await asyncio.sleep(each.initial_delay - age)
        ticker = Ticker(each.period, self._phase)
        last, row = None, 0
        while True:
            try:
                good = await self._try(pod, container, running.id, each, ip)
            except Exception as error:  # a fault of ours ends no probing (`worker.doProbe` eats panics)
                klog.error("runtime.go:142", "Observed a panic", repr(error), pod=pod.ref)
                good = None
            if good is not None:
                row = row + 1 if good is last else 1
                last = good
                if row >= (each.success_threshold if good else each.failure_threshold):
                    self._set(pod.uid, running.id, each.kind, good)
                    if (each.kind == "startup" and good) or (each.kind != "readiness" and not good):
                        return
            await ticker.tick()

    @cached_property
    def _phase(self) -> float:
        """The loop's time of the first probe: all others come whole seconds after it."""
        return asyncio.get_running_loop().time()

    async def _try(
        self, pod: Pod, container: Container, container_id: str, each: Probe, ip: str
    ) -> bool | None:
        """Probe once and tell of what is wrong; None when it could not be tried, in three attempts."""
        kind = each.kind.capitalize()
        began, failed = time.monotonic(), 0
        while True:
            try:
                result = await probe(self._runtime, container_id, container, each.action, ip, each.timeout)
            except ProbeError as error:
                failed += 1
                if failed < ATTEMPTS:
                    continue
                message = f"{kind} probe errored and resulted in {error.state} state: {error}"
                self._events.pod(pod, WARNING, "Unhealthy", message, container)
                self._probed(each.kind, "unknown", pod, container, time.monotonic() - began)
                return None
            if result.outcome is Outcome.WARNING:
                message = f"{kind} probe warning: {result.output}"
                self._events.pod(pod, WARNING, "ProbeWarning", message, container)
            elif result.outcome is Outcome.FAILURE:
                self._events.pod(
                    pod, WARNING, "Unhealthy", f"{kind} probe failed: {result.output}", container
                )
            told = "successful" if result.good else "failed"
            self._probed(each.kind, told, pod, container, time.monotonic() - began)
            return result.good

    def _set(self, uid: str, container_id: str, kind: str, good: bool) -> None:
        if self.results[kind].get(container_id) is good:
            return
        self.results[kind][container_id] = good
        if kind == "startup" and good:
            self._started[container_id].set()
        if not (kind == "liveness" and good):
            self._changed(uid)
