"""Probes of one pod side by side: what they leave behind, and whom they tell."""

import asyncio
from typing import Any

import pytest

from labs.kubelet import probes
from labs.kubelet.pod.model import Container, Pod
from labs.kubelet.prober import Outcome, ProbeError, Result
from labs.kubelet.probes import ProbeManager
from labs.kubelet.runtime_status import PodStatus, State
from labs.kubelet.sources.api import pod_from_api
from tests.kubelet.node import START, api_pod, clock
from tests.kubelet.test_status import container
from tests.kubelet.virtual_time import virtual

EVERY = {"exec": {"command": ["x"]}, "periodSeconds": 2, "timeoutSeconds": 7}
FAILS = Result(Outcome.FAILURE, "no")


class Said:
    """Keeps what events say."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, str]] = []

    def pod(self, pod: Pod, kind: str, reason: str, message: str, container: Container) -> None:
        self.events.append((kind, reason, message, container.name))


class Bench:
    """A manager of one pod, whose probes all end as they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **kinds: dict[str, Any]) -> None:
        obj = api_pod(container={f"{kind}Probe": {**EVERY, **more} for kind, more in kinds.items()})
        obj["metadata"]["uid"] = "1"
        self.pod = pod_from_api(obj)
        self.result: Result | ProbeError = Result(Outcome.SUCCESS)
        self.said = Said()
        self.changed: list[str] = []
        self.probed: list[tuple[str, str]] = []
        self.tried: list[float] = []
        nothing: Any = None
        events: Any = self.said
        self.manager = ProbeManager(nothing, events, self.changed.append, clock, self._probed)
        monkeypatch.setattr(probes, "probe", self._probe)

    async def _probe(
        self, runtime: Any, id: str, of: Container, action: Any, ip: str, timeout: int
    ) -> Result:
        assert (id, of.name, timeout) == ("id-main", "main", 7)
        self.tried.append(asyncio.get_running_loop().time())
        if isinstance(self.result, ProbeError):
            raise self.result
        return self.result

    def _probed(self, kind: str, told: str, pod: Pod, container: Container, took: float) -> None:
        assert (pod, container.name) == (self.pod, "main")
        assert 0 <= took < 60
        self.probed.append((kind, told))

    def runs(self, state: State = State.RUNNING) -> None:
        self.manager.update(
            self.pod, PodStatus("1", containers=(container(state=state, started_at=START),)), "172.18.0.2"
        )


@virtual
async def test_a_warning_is_told_and_counts_as_success(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Bench(monkeypatch, readiness={})
    it.result = Result(Outcome.WARNING, "elsewhere")
    it.runs()
    await asyncio.sleep(1)

    assert it.said.events == [("Warning", "ProbeWarning", "Readiness probe warning: elsewhere", "main")]
    assert it.manager.results["readiness"] == {"id-main": True}
    assert (it.changed, it.probed) == (["1"], [("readiness", "successful")])


@virtual
async def test_a_probe_that_cannot_be_tried_tells_why_and_says_nothing_of_the_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Bench(monkeypatch, liveness={"failureThreshold": 1})
    it.result = ProbeError("no such container")
    it.runs()
    await asyncio.sleep(3)

    why = "Liveness probe errored and resulted in unknown state: no such container"
    assert it.said.events == [("Warning", "Unhealthy", why, "main")] * 2
    assert it.tried == [0, 0, 0, 2, 2, 2]
    assert it.probed == [("liveness", "unknown")] * 2
    assert (it.manager.results["liveness"], it.changed) == ({}, [])


@virtual
async def test_only_the_probes_that_are_stopped_end_and_what_they_found_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Bench(monkeypatch, liveness={}, readiness={})
    it.runs()
    await asyncio.sleep(1)
    assert it.manager.results == {
        "startup": {}, "liveness": {"id-main": True}, "readiness": {"id-main": True},
    }  # fmt: skip

    it.manager.stop("other")
    it.manager.stop("1", ("startup", "liveness"))
    await asyncio.sleep(2)

    assert it.manager.results == {"startup": {}, "liveness": {}, "readiness": {"id-main": True}}
    assert it.tried == [0, 0, 2]
    it.manager.stop("1")
    await asyncio.sleep(10)
    assert it.manager.results["readiness"] == {}
    assert it.tried == [0, 0, 2]


@virtual
async def test_a_container_that_has_ended_is_probed_no_more_and_one_that_starts_again_from_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Bench(monkeypatch, startup={}, readiness={})
    it.runs()
    await asyncio.sleep(1)
    it.runs(State.EXITED)
    await asyncio.sleep(10)
    assert it.manager.results == {"startup": {}, "liveness": {}, "readiness": {}}

    it.result = FAILS
    it.probed.clear()
    it.runs()
    await asyncio.sleep(1)

    assert it.probed == [("startup", "failed")]
    assert it.manager.results["readiness"] == {}


@virtual
async def test_a_startup_probe_that_was_passed_before_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Bench(monkeypatch, startup={}, readiness={})
    it.manager.adopt("id-main", "startup")
    it.manager.adopt("id-main", "readiness")
    it.runs()

    assert it.manager.results["readiness"] == {"id-main": True}
    await asyncio.sleep(3)
    assert {kind for kind, _ in it.probed} == {"readiness"}


@virtual
async def test_what_a_probe_finds_again_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Bench(monkeypatch, readiness={"failureThreshold": 2}, liveness={"failureThreshold": 2})
    it.runs()
    await asyncio.sleep(5)
    assert it.changed == ["1"]  # ready; that it lives changes nothing

    it.result = FAILS
    await asyncio.sleep(2)
    assert it.changed == ["1"]
    await asyncio.sleep(10)

    assert it.changed == ["1", "1", "1"]
    assert it.manager.results == {
        "startup": {}, "liveness": {"id-main": False}, "readiness": {"id-main": False},
    }  # fmt: skip
    assert it.probed.count(("liveness", "failed")) == 2
