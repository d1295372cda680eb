"""Stopping containers: preStop, order, grace (`killContainer`, `kuberuntime_termination_order.go`).

The containers of a pod are stopped together. Sidecars wait until the others have ended, and then end from
the last to the first. preStop and waiting count against the grace period; what is left of it, but at least
a second, is what the runtime gives the process after SIGTERM.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from labs.kubelet import klog
from labs.kubelet.cri import CriError
from labs.kubelet.events import NORMAL, WARNING, EventRecorder
from labs.kubelet.lifecycle import HookError, run_hook
from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.prober import Execer

MINIMUM_GRACE = 1


class Runtime(Execer, Protocol):
    """What stopping needs of the runtime."""

    async def stop_container(self, container: str, grace: int) -> None: ...


class Order:
    """Who of a pod's running containers waits for whom."""

    def __init__(self, pod: Pod, running: Iterable[str]) -> None:
        self._gone = {name: asyncio.Event() for name in running}
        self._waits: dict[str, list[str]] = {}
        later = [name for name in pod.container_names if name in self._gone]
        for container in reversed(pod.init_containers):
            if container.is_sidecar and container.name in self._gone:
                self._waits[container.name] = list(later)
                later.append(container.name)

    async def turn(self, name: str, patience: float) -> None:
        """Wait for this container's turn, at most `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                for other in self._waits.get(name, ()):
                    await self._gone[other].wait()
        except TimeoutError:
            return

    def gone(self, name: str) -> None:
        """A container has ended."""
        if name in self._gone:
            self._gone[name].set()


class Terminator:
    """Stops containers of pods."""

    def __init__(self, cri: Runtime, events: EventRecorder) -> None:
        self._cri = cri
        self._events = events

    async def stop(
        self,
        pod: Pod,
        name: str,
        container: str,
        grace: int,
        message: str = "",
        ips: tuple[str, ...] = (),
        order: Order | None = None,
    ) -> None:
        """Stop one container of a pod within `grace` seconds. Raises CriError."""
        self._events.pod(pod, NORMAL, "Killing", message or f"Stopping container {name}", name)
        spec = pod.container(name)
        left = float(grace)
        if spec is not None and spec.pre_stop is not None and grace > 0:
            left -= await self._pre_stop(pod, spec, container, grace, ips)
        loop = asyncio.get_running_loop()
        if order is not None and left > 0:
            began = loop.time()
            await order.turn(name, left)
            left -= int(loop.time() - began)
        try:
            await self._cri.stop_container(container, max(MINIMUM_GRACE, int(left)))
        except CriError as error:
            if not error.not_found:
                raise
        finally:
            if order is not None:
                order.gone(name)

    async def _pre_stop(
        self, pod: Pod, spec: Container, container: str, grace: int, ips: tuple[str, ...]
    ) -> int:
        """Run the hook for at most the grace period; the whole seconds it took."""
        assert spec.pre_stop is not None
        loop = asyncio.get_running_loop()
        began = loop.time()
        fields = {"pod": pod.ref, "podUID": pod.uid, "containerName": spec.name, "containerID": container}
        try:
            async with asyncio.timeout(grace):
                await run_hook(self._cri, pod, spec, container, spec.pre_stop, ips)
        except HookError as error:
            klog.error("kuberuntime_container.go:797", "PreStop hook failed", error.cause, **fields)
            self._events.pod(pod, WARNING, "FailedPreStopHook", "PreStopHook failed", spec.name)
        except TimeoutError:
            message = "PreStop hook not completed in grace period"
            klog.info("kuberuntime_container.go:806", message, v=2, **fields, gracePeriod=grace)
        return int(loop.time() - began)
