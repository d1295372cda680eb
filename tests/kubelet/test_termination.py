"""Stopping containers: hook, order and grace (facts 28 and 31)."""

import asyncio
import json
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as api

from labs.kubelet.cri import CriError
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.termination import Order, Terminator
from tests.kubelet.node import manifest
from tests.kubelet.virtual_time import virtual


def pod_of(*init: str, **container: Any) -> Pod:
    """A pod with containers a and b; of the init containers those that begin with s are sidecars."""
    it = manifest(
        initContainers=[
            {"name": name, "image": "b:1", **({"restartPolicy": "Always"} if name[0] == "s" else {})}
            for name in init
        ]
    )
    it["spec"]["containers"] = [{"name": "a", "image": "b:1", **container}, {"name": "b", "image": "b:1"}]
    return pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "n")


class Runtime:
    """Stops containers in the time they take, and keeps when it was asked and with what grace."""

    def __init__(self, **takes: float) -> None:
        self.takes = takes
        self.stops: list[tuple[str, float, int]] = []
        self.hooks: list[tuple[str, ...]] = []
        self.hook_takes = 0.0
        self.hook_code = 0
        self.error: CriError | None = None

    async def exec_sync(self, container: str, command: tuple[str, ...], timeout: int) -> api.ExecSyncResponse:
        self.hooks.append(command)
        await asyncio.sleep(self.hook_takes)
        return api.ExecSyncResponse(exit_code=self.hook_code, stderr=b"no")

    async def stop_container(self, container: str, grace: int) -> None:
        self.stops.append((container, asyncio.get_running_loop().time(), grace))
        if self.error is not None:
            raise self.error
        await asyncio.sleep(min(self.takes.get(container, 0), grace))


class Said:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, str]] = []

    def pod(self, pod: Pod, kind: str, reason: str, message: str, container: str) -> None:
        self.events.append((kind, reason, message, container))


async def stopped(
    pod: Pod, runtime: Runtime, grace: int = 30, running: tuple[str, ...] = (), **more: Any
) -> list[tuple[str, str, str, str]]:
    """Stop containers together, as a pod's are, or only the first; what events said."""
    said: Any = Said()
    terminator = Terminator(runtime, said)
    order = Order(pod, running) if running else None
    names = running or ("a",)
    await asyncio.gather(*(terminator.stop(pod, n, n, grace, order=order, **more) for n in names))
    return list(said.events)


@virtual
@pytest.mark.parametrize(("grace", "told"), [(30, 30), (1, 1), (0, 1), (-1, 1)])
async def test_fact_28_a_container_has_its_grace_period_and_at_least_a_second(grace: int, told: int) -> None:
    runtime = Runtime()

    events = await stopped(pod_of(), runtime, grace)

    assert runtime.stops == [("a", 0, told)]
    assert events == [("Normal", "Killing", "Stopping container a", "a")]


@virtual
async def test_a_container_may_be_stopped_for_a_reason_of_its_own() -> None:
    events = await stopped(pod_of(), Runtime(), message="definition changed")

    assert events == [("Normal", "Killing", "definition changed", "a")]


HOOK = {"lifecycle": {"preStop": {"exec": {"command": ["bye"]}}}}


@virtual
async def test_fact_28_a_hook_takes_from_the_grace_period_in_whole_seconds() -> None:
    runtime = Runtime()
    runtime.hook_takes = 3.7

    await stopped(pod_of(**HOOK), runtime)

    assert runtime.hooks == [("bye",)]
    assert runtime.stops == [("a", 3.7, 27)]


@virtual
async def test_fact_28_a_hook_has_no_more_than_the_grace_period(capsys: pytest.CaptureFixture[str]) -> None:
    runtime = Runtime()
    runtime.hook_takes = 100

    events = await stopped(pod_of(**HOOK), runtime, 5)

    assert runtime.stops == [("a", 5, 1)]
    assert [reason for _, reason, _, _ in events] == ["Killing"]


@virtual
async def test_a_hook_that_fails_is_told_and_the_container_stops(capsys: pytest.CaptureFixture[str]) -> None:
    runtime = Runtime()
    runtime.hook_code = 7

    events = await stopped(pod_of(**HOOK), runtime)

    assert events[1:] == [("Warning", "FailedPreStopHook", "PreStopHook failed", "a")]
    assert len(runtime.stops) == 1
    said = capsys.readouterr().err
    assert 'kuberuntime_container.go:797] "PreStop hook failed" err=' in said
    assert 'pod="default/web-n"' in said
    assert 'containerName="a" containerID="a"' in said


@virtual
async def test_without_grace_there_is_no_hook() -> None:
    runtime = Runtime()

    await stopped(pod_of(**HOOK), runtime, 0)

    assert runtime.hooks == []


@virtual
async def test_containers_stop_together_and_sidecars_after_them_from_the_last_to_the_first() -> None:
    runtime = Runtime(a=3, b=5, s1=2, s2=4)

    await stopped(pod_of("s1", "i", "s2"), runtime, running=("s1", "s2", "a", "b"))

    assert sorted(runtime.stops) == [("a", 0, 30), ("b", 0, 30), ("s1", 9, 21), ("s2", 5, 25)]


@virtual
async def test_a_sidecar_waits_for_nobody_who_does_not_run() -> None:
    runtime = Runtime(a=3)

    await stopped(pod_of("s1", "s2"), runtime, running=("s1", "a"))

    assert sorted(runtime.stops) == [("a", 0, 30), ("s1", 3, 27)]


@virtual
async def test_a_sidecar_waits_no_longer_than_its_grace_period() -> None:
    runtime = Runtime(a=100)

    await stopped(pod_of("s1"), runtime, 10, running=("s1", "a"))

    assert sorted(runtime.stops) == [("a", 0, 10), ("s1", 10, 1)]


@virtual
async def test_who_cannot_be_stopped_keeps_no_sidecar_waiting() -> None:
    runtime = Runtime()
    runtime.error = CriError("Unknown", "no")
    pod = pod_of("s1")
    said: Any = Said()
    terminator, order = Terminator(runtime, said), Order(pod, ("s1", "a"))

    results = await asyncio.gather(
        *(terminator.stop(pod, name, name, 30, order=order) for name in ("s1", "a")), return_exceptions=True
    )

    assert [type(result) for result in results] == [CriError, CriError]
    assert [at for _, at, _ in runtime.stops] == [0, 0]


@virtual
async def test_a_container_that_is_gone_already_is_stopped() -> None:
    runtime = Runtime()
    runtime.error = CriError("NotFound", "no such container")

    await stopped(pod_of(), runtime)

    assert len(runtime.stops) == 1
