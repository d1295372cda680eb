"""One worker per pod: when it syncs, how it stops, and who of one name may run (facts 3, 27 and 30)."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from labs.kubelet.pod.model import Pod
from labs.kubelet.pod_workers import Phase, PodWorkers
from labs.kubelet.sync_errors import SyncError
from tests.kubelet.node import api_pod
from tests.kubelet.virtual_time import virtual

PERIOD = 60.0


def static_pod(uid: str, name: str = "web") -> Pod:
    obj = api_pod(name, metadata={"uid": uid, "annotations": {"kubernetes.io/config.source": "file"}})
    return Pod.of(obj)


def pod_of_the_api(uid: str, **metadata: Any) -> Pod:
    return Pod.of(api_pod(metadata={"uid": uid, **metadata}))


class Script:
    """A syncer that notes what it is asked for and when, and fails as it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, float]] = []
        #: step -> what it raises, one after another
        self.errors: dict[str, list[Exception]] = {}
        #: step -> seconds it takes
        self.takes: dict[str, float] = {}
        self.flags: list[tuple[bool, bool]] = []
        self.finished: list[str] = []

    async def _step(self, name: str, pod: Pod) -> None:
        self.calls.append((name, pod.uid, asyncio.get_running_loop().time()))
        await asyncio.sleep(self.takes.get(name, 0))
        if self.errors.get(name):
            raise self.errors[name].pop(0)
        self.finished.append(name)

    async def sync(self, pod: Pod) -> None:
        await self._step("sync", pod)

    async def terminate(self, pod: Pod) -> None:
        await self._step("terminate", pod)

    async def terminated(self, pod: Pod, wanted: bool, coming_back: bool) -> None:
        self.flags.append((wanted, coming_back))
        await self._step("terminated", pod)

    def times(self, step: str, uid: str = "a") -> list[float]:
        return [at for name, who, at in self.calls if (name, who) == (step, uid)]

    def steps(self, uid: str = "a") -> list[str]:
        return [name for name, who, _ in self.calls if who == uid]


class Bench:
    def __init__(self) -> None:
        self.script = Script()
        self.ended = 0
        self.workers = PodWorkers(self.script, PERIOD, self._ended)

    def _ended(self) -> None:
        self.ended += 1

    def phase(self, uid: str = "a") -> Phase:
        worker = self.workers.get(uid)
        assert worker is not None
        return worker.phase

    async def until(self, what: Callable[[], object], limit: float = 100) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        while not what():
            assert loop.time() < end
            await asyncio.sleep(0.05)


def gaps(times: list[float]) -> list[float]:
    return [later - sooner for sooner, later in itertools.pairwise(times)]


@virtual
async def test_fact_3_a_pod_is_synced_at_once_and_then_every_60_to_90_seconds() -> None:
    bench = Bench()
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(2000)

    times = bench.script.times("sync")
    assert times[0] == 0
    assert all(PERIOD <= gap <= 1.5 * PERIOD for gap in gaps(times))
    assert len({round(gap, 3) for gap in gaps(times)}) > 5
    assert bench.phase() is Phase.SYNCING
    await bench.workers.close()


@virtual
async def test_fact_3_after_an_error_a_pod_is_synced_again_in_10_to_15_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = Bench()
    bench.script.errors["sync"] = [SyncError("no luck") for _ in range(30)]
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(300)

    times = bench.script.times("sync")
    assert all(10 <= gap <= 15 for gap in gaps(times))
    assert len({round(gap, 3) for gap in gaps(times)}) > 5
    (line, *_) = capsys.readouterr().err.splitlines()
    assert '"Error syncing pod, skipping" err="no luck" pod="default/web" podUID="a"' in line
    assert "pod_workers.go:1324" in line
    await bench.workers.close()


@virtual
@pytest.mark.parametrize(
    ("asked", "least", "most"), [(3.0, 3.0, 4.5), (-1.0, 0.0, 0.0), (1000.0, PERIOD, 1.5 * PERIOD)]
)
async def test_an_error_that_knows_when_to_try_again_is_heeded(
    asked: float, least: float, most: float
) -> None:
    bench = Bench()
    error = SyncError("wait")
    error.retry_after = asked
    bench.script.errors["sync"] = [error]
    bench.workers.update(static_pod("a"))
    await bench.until(lambda: len(bench.script.times("sync")) > 1)

    assert least <= gaps(bench.script.times("sync"))[0] <= most + 0.01
    await bench.workers.close()


@virtual
async def test_an_unforeseen_error_is_that_pods_trouble_only(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench()
    bench.script.errors["sync"] = [ValueError("odd")]
    bench.workers.update(static_pod("a"))
    bench.workers.update(static_pod("b", "other"))
    await asyncio.sleep(20)

    assert len(bench.script.times("sync", "a")) == 2
    assert len(bench.script.times("sync", "b")) == 1
    said = capsys.readouterr().err
    assert '''"Observed a panic" err="ValueError('odd')" pod="default/web"''' in said
    assert said.count("Error syncing pod, skipping") == 1
    await bench.workers.close()


@virtual
async def test_a_pod_that_is_woken_is_synced_at_once_also_when_it_was_being_synced() -> None:
    bench = Bench()
    bench.script.takes["sync"] = 2
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(1)
    bench.workers.wake("a")
    await asyncio.sleep(9)
    bench.workers.wake("a")
    bench.workers.wake("nobody")
    await asyncio.sleep(5)

    assert bench.script.times("sync") == [0, 2, 10]
    await bench.workers.close()


@virtual
async def test_a_pod_that_is_removed_drops_its_sync_terminates_and_ends() -> None:
    bench = Bench()
    bench.script.takes["sync"] = 50
    bench.script.takes["terminate"] = 5
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(1)

    bench.workers.remove("a")
    bench.workers.remove("nobody")
    await asyncio.sleep(1)
    assert bench.phase() is Phase.TERMINATING
    assert bench.workers.held() == {"web_default"}
    assert list(bench.workers.forget_terminated()) == []
    await asyncio.sleep(10)

    assert bench.script.finished == ["terminate", "terminated"]
    assert bench.script.flags == [(False, False)]
    assert (bench.phase(), bench.ended) == (Phase.TERMINATED, 1)
    assert bench.workers.held() == set()
    assert list(bench.workers.forget_terminated()) == ["a"]
    assert bench.workers.get("a") is None


@virtual
@pytest.mark.parametrize("step", ["terminate", "terminated"])
async def test_terminating_is_tried_again_until_it_is_done(step: str) -> None:
    bench = Bench()
    bench.script.errors[step] = [SyncError("busy") for _ in range(8)]
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(1)
    bench.workers.remove("a")
    await bench.until(lambda: bench.phase() is Phase.TERMINATED, 200)

    found = gaps(bench.script.times(step))
    assert len(found) == 8
    assert all(10 <= gap <= 15 for gap in found)
    assert len({round(gap, 3) for gap in found}) > 2


@virtual
async def test_fact_27_a_pod_waits_until_those_of_its_name_before_it_have_terminated() -> None:
    bench = Bench()
    bench.script.takes["terminate"] = 10
    for uid in "abc":
        bench.workers.update(static_pod(uid))
    bench.workers.update(static_pod("x", "other"))
    await asyncio.sleep(30)
    assert not bench.script.steps("b")
    assert bench.phase("b") is Phase.WAITING
    assert bench.script.times("sync", "x") == [0]

    bench.workers.remove("a")
    await bench.until(lambda: bench.script.steps("b"))
    began = bench.script.times("sync", "b")[0] - bench.script.times("terminated", "a")[0]
    await asyncio.sleep(20)

    assert 0 <= began <= 4
    assert not bench.script.steps("c")
    await bench.workers.close()


@virtual
async def test_fact_27_a_pod_that_is_replaced_before_its_turn_is_never_seen() -> None:
    bench = Bench()
    for uid in "abc":
        bench.workers.update(static_pod(uid))
    await asyncio.sleep(1)
    bench.workers.remove("b")
    assert bench.workers.get("b") is None
    bench.workers.remove("a")
    await asyncio.sleep(10)

    assert not bench.script.steps("b")
    assert bench.script.steps("c") == ["sync"]
    assert [pod.uid for pod in bench.workers.pods()] == ["a", "c"]
    await bench.workers.close()


@virtual
async def test_fact_30_a_pod_that_comes_back_while_it_stops_is_started_anew_afterwards() -> None:
    bench = Bench()
    bench.script.takes["terminate"] = 5
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(1)
    bench.workers.remove("a")
    await asyncio.sleep(1)
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(10)
    assert bench.script.steps() == ["sync", "terminate", "terminated"]
    assert bench.script.flags == [(True, True)]

    assert list(bench.workers.forget_terminated()) == []
    await asyncio.sleep(1)

    assert bench.script.steps()[-1] == "sync"
    assert bench.phase() is Phase.SYNCING
    await bench.workers.close()


@virtual
async def test_fact_30_coming_back_may_be_taken_back() -> None:
    bench = Bench()
    bench.script.takes["terminate"] = 5
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(1)
    bench.workers.remove("a")
    await asyncio.sleep(1)
    bench.workers.update(static_pod("a"))
    bench.workers.remove("a")
    await asyncio.sleep(10)

    assert bench.script.flags == [(False, False)]
    assert list(bench.workers.forget_terminated()) == ["a"]


@virtual
async def test_a_pod_of_the_api_ends_once_and_is_kept_until_its_source_drops_it() -> None:
    bench = Bench()
    bench.workers.update(pod_of_the_api("a"))
    await asyncio.sleep(1)
    bench.workers.update(pod_of_the_api("a", deletionTimestamp="2026-11-23T17:55:13Z"))
    await asyncio.sleep(1)
    bench.workers.update(pod_of_the_api("a", deletionTimestamp="2026-11-23T17:55:13Z"))
    await asyncio.sleep(100)

    assert bench.script.steps() == ["sync", "terminate", "terminated"]
    assert bench.script.flags == [(True, False)]
    assert list(bench.workers.forget_terminated()) == []
    bench.workers.remove("a")
    assert list(bench.workers.forget_terminated()) == ["a"]


@virtual
async def test_a_pod_that_is_deleted_in_the_api_already_is_never_synced() -> None:
    bench = Bench()
    bench.workers.update(pod_of_the_api("a", deletionTimestamp="2026-11-23T17:55:13Z"))
    await asyncio.sleep(1)

    assert bench.script.steps() == ["terminate", "terminated"]


@virtual
async def test_pods_of_the_api_of_one_name_do_not_wait_for_each_other() -> None:
    bench = Bench()
    for uid in "ab":
        bench.workers.update(pod_of_the_api(uid))
    await asyncio.sleep(1)

    assert bench.script.steps("b") == ["sync"]
    await bench.workers.close()


@virtual
async def test_an_update_in_place_is_synced_at_once() -> None:
    bench = Bench()
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(5)
    changed = static_pod("a")
    bench.workers.update(changed)
    await asyncio.sleep(1)

    assert bench.script.times("sync") == [0, 5]
    assert bench.workers.pods()[0] is changed
    await bench.workers.close()


@virtual
async def test_fact_37_an_orphan_is_stopped_before_any_of_its_name_starts() -> None:
    bench = Bench()
    bench.script.takes["terminate"] = 10
    bench.workers.terminate(static_pod("old"))
    bench.workers.terminate(static_pod("old"))
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(9)
    assert not bench.script.steps("a")
    await asyncio.sleep(6)

    assert bench.script.steps("old") == ["terminate", "terminated"]
    assert bench.script.flags == [(False, False)]
    assert bench.script.steps("a") == ["sync"]
    await bench.workers.close()


@virtual
async def test_a_pod_may_be_stopped_that_its_source_still_asks_for() -> None:
    bench = Bench()
    bench.workers.update(static_pod("a"))
    await asyncio.sleep(1)
    bench.workers.stop("a")
    await asyncio.sleep(1)

    assert bench.script.flags == [(True, False)]
    assert list(bench.workers.forget_terminated()) == []


@virtual
@pytest.mark.parametrize("syncing", [0, 50])
async def test_closing_leaves_pods_as_they_are_and_no_task(syncing: float) -> None:
    before = asyncio.all_tasks()
    bench = Bench()
    bench.script.takes["sync"] = syncing
    for uid in "ab":
        bench.workers.update(static_pod(uid))
    await asyncio.sleep(1)

    await bench.workers.close()
    assert asyncio.all_tasks() == before
    await asyncio.sleep(100)

    assert bench.script.steps() == ["sync"]
    assert not bench.script.steps("b")
