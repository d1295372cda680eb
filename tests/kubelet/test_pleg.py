"""What of the runtime's events is a reason to look at a pod again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as api

from labs.kubelet.cri import CriError
from labs.kubelet.pleg import Pleg, RuntimePod
from labs.kubelet.runtime_status import PodStatus
from tests.kubelet.node import manifest, node
from tests.kubelet.virtual_time import virtual


@virtual
async def test_what_a_sync_has_done_itself_is_no_reason_for_another(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        await n.until(lambda: n.status().get("ready"))

        looks = [call for call, _ in n.runtime.calls if call == "ContainerStatus"]

        assert len(looks) == 1


@pytest.mark.parametrize("lifetime", [0.0, 0.001])
@virtual
async def test_a_container_that_ends_at_once_is_started_again_at_once(
    tmp_path: Path, lifetime: float
) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(lifetime, 1), (None, 0)])
        n.put("web.yaml", manifest())

        took = await n.until(lambda: n.runtime.of_pod(f"web-{n.name}", running=True))

        assert took < 1
        assert len(n.runtime.of_pod(f"web-{n.name}")) == 2


def labels(uid: str) -> dict[str, str]:
    names = {"name": "web", "namespace": "default", "uid": uid}
    return {f"io.kubernetes.pod.{name}": value for name, value in names.items()}


@dataclass
class Listed:
    """A runtime that lists what it is given."""

    sandboxes: list[api.PodSandbox] = field(default_factory=list)
    containers: list[api.Container] = field(default_factory=list)

    async def list_sandboxes(self) -> list[api.PodSandbox]:
        return self.sandboxes

    async def list_containers(self) -> list[api.Container]:
        return self.containers

    def has(self, uid: str, sandbox: int, **containers: int) -> None:
        self.sandboxes.append(api.PodSandbox(id=f"s{uid}", state=sandbox, labels=labels(uid)))
        for name, state in containers.items():
            self.containers.append(api.Container(id=name, state=state, labels=labels(uid)))


def pleg_of(runtime: Any) -> tuple[Pleg, list[str]]:
    changed: list[str] = []
    return Pleg(runtime, changed.append), changed


@virtual
async def test_a_list_names_pods_by_what_their_objects_are_in() -> None:
    runtime = Listed()
    runtime.has("1", api.SANDBOX_READY, a=api.CONTAINER_EXITED)
    runtime.has("2", api.SANDBOX_NOTREADY, b=api.CONTAINER_EXITED, c=api.CONTAINER_RUNNING)
    runtime.has("3", api.SANDBOX_NOTREADY, d=api.CONTAINER_EXITED)
    runtime.has("4", api.SANDBOX_READY)
    older = api.PodSandbox(id="older", state=api.SANDBOX_NOTREADY, labels=labels("4"))
    runtime.sandboxes.append(older)
    runtime.sandboxes.append(api.PodSandbox(id="bare", labels={"io.kubernetes.pod.uid": "5"}))
    runtime.containers.append(api.Container(id="nobody's", state=api.CONTAINER_RUNNING))
    pleg, changed = pleg_of(runtime)
    assert not pleg.healthy

    await pleg.relist()

    ended, ready = api.CONTAINER_EXITED, api.SANDBOX_READY
    assert pleg.pods == {
        "1": RuntimePod("1", "web", "default", {"s1": ready, "a": ended}, True),
        "2": RuntimePod("2", "web", "default", {"s2": 1, "b": ended, "c": api.CONTAINER_RUNNING}, True),
        "3": RuntimePod("3", "web", "default", {"s3": 1, "d": ended}, False),
        "4": RuntimePod("4", "web", "default", {"s4": ready, "older": 1}, True),
        "5": RuntimePod("5", "", "", {"bare": ready}, True),
    }
    assert (pleg.healthy, changed) == (True, [])


@virtual
async def test_after_the_first_list_each_pod_with_something_new_is_looked_at() -> None:
    runtime = Listed()
    runtime.has("1", api.SANDBOX_READY, a=api.CONTAINER_RUNNING)
    runtime.has("2", api.SANDBOX_READY, b=api.CONTAINER_RUNNING)
    pleg, changed = pleg_of(runtime)
    await pleg.relist()
    await pleg.relist()
    assert changed == []

    runtime.containers[0].state = api.CONTAINER_EXITED
    runtime.has("3", api.SANDBOX_READY)
    await pleg.relist()
    assert changed == ["1", "3"]

    await pleg.relist()
    assert changed == ["1", "3"]


@virtual
async def test_what_a_sync_has_read_is_not_new_to_the_next_list() -> None:
    runtime = Listed()
    pleg, changed = pleg_of(runtime)
    await pleg.relist()
    pleg.observe(PodStatus("1", "web", "default"))
    assert pleg.pods["1"] == RuntimePod("1", "web", "default", {}, False)

    runtime.has("1", api.SANDBOX_READY)
    await pleg.relist()

    assert changed == ["1"]


@dataclass
class Telling(Listed):
    """A runtime with one event to tell, until it is told to fail; when it was asked for what."""

    error: CriError = field(default_factory=lambda: CriError("Unavailable", "connection refused"))
    failing: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[float] = field(default_factory=list)
    listed: list[float] = field(default_factory=list)

    async def list_sandboxes(self) -> list[api.PodSandbox]:
        self.listed.append(asyncio.get_running_loop().time())
        return self.sandboxes

    async def events(self) -> AsyncIterator[api.ContainerEventResponse]:
        self.asked.append(asyncio.get_running_loop().time())
        if self.failing.is_set():
            raise self.error
        yield api.ContainerEventResponse(
            pod_sandbox_status=api.PodSandboxStatus(id="s1", metadata=api.PodSandboxMetadata(uid="1")),
            containers_statuses=[api.ContainerStatus(id="a", state=api.CONTAINER_EXITED)],
        )
        await self.failing.wait()
        raise self.error


@asynccontextmanager
async def following(runtime: Telling) -> AsyncIterator[list[str]]:
    pleg, changed = pleg_of(runtime)
    await pleg.relist()
    runtime.listed.clear()
    task = asyncio.create_task(pleg.run())
    yield changed
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_a_runtime_without_events_is_asked_for_them_once_and_listed_every_second() -> None:
    runtime = Telling(error=CriError("Unimplemented", "unknown method"))
    runtime.failing.set()
    async with following(runtime):
        await asyncio.sleep(5.5)

    assert runtime.asked == [0]
    assert runtime.listed == [1, 2, 3, 4, 5]


@virtual
async def test_while_events_come_the_runtime_is_listed_every_thirty_seconds_and_else_every_second() -> None:
    runtime = Telling()
    async with following(runtime):
        await asyncio.sleep(69.5)
        assert runtime.asked == [0]
        assert runtime.listed == [1, 31, 61]

        runtime.failing.set()
        await asyncio.sleep(24.2)
        assert runtime.listed == [1, 31, 61, 91, 92, 93]
        assert runtime.asked == [0, *(70.5 + second for second in range(24))]


@pytest.mark.parametrize("syncing", [False, True])
@pytest.mark.parametrize(
    ("container", "told"), [(api.CONTAINER_EXITED, []), (api.CONTAINER_RUNNING, ["1"]), (None, ["1"])]
)
def test_an_event_is_news_unless_the_last_list_or_a_sync_that_ran_has_seen_the_same(
    container: int | None, told: list[str], syncing: bool
) -> None:
    @virtual
    async def check() -> None:
        runtime = Telling()
        pleg, changed = pleg_of(runtime)
        if container is not None:
            runtime.has("1", api.SANDBOX_READY, a=container)
            await pleg.relist()
        with pleg.syncing("1") if syncing else nullcontext():
            following = asyncio.create_task(pleg.run())
            await asyncio.sleep(0.5)
            assert changed == ([] if syncing else told)
        following.cancel()

        assert changed == told

    check()


@virtual
async def test_a_runtime_that_does_not_answer_is_told_by_who_lists_and_who_cleans_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        await asyncio.sleep(1)
        n.runtime.down = True
        await asyncio.sleep(130)

        said = capsys.readouterr().err
        why = "rpc error: code = Unavailable desc = connection error: desc = transport: connection refused"
        assert f'generic.go:312] "GenericPLEG: Unable to retrieve pods" err="{why}"' in said
        assert f'kubelet.go:1713] "Container garbage collection failed" err="{why}"' in said
