"""What the API is told of a pod's fate, and how often: as `kubectl describe` of a real node shows it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs.kubelet.cri import CriError
from labs.kubelet.event_correlation import Correlator
from labs.kubelet.event_text import in_go
from labs.kubelet.events import NORMAL, WARNING, EventRecorder
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from tests.kubelet.memory_api import MemoryApi
from tests.kubelet.node import START, clock, manifest, node
from tests.kubelet.virtual_time import virtual

NAME = "web-node-1"


@pytest.fixture(autouse=True)
def events_are_a_kubelets() -> None:
    """Most are made up here."""


def _web() -> Pod:
    init = [{"name": "first", "image": "busybox:1.36"}]
    return pod_from_file(yaml.safe_dump(manifest(initContainers=init)).encode(), "/web.yaml", "node-1")


@asynccontextmanager
async def recorder() -> AsyncIterator[tuple[EventRecorder, MemoryApi]]:
    """A recorder that sends to an API."""
    api, events = MemoryApi(clock), EventRecorder("node-1", clock)
    client: Any = api
    task = asyncio.create_task(events.run(client, api.up))
    yield events, api
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def told(api: MemoryApi) -> list[tuple[str, int, str]]:
    return [(e["reason"], e["count"], e["message"]) for e in api.events(NAME)]


@virtual
async def test_an_event_is_of_the_static_pod_and_says_who_saw_it() -> None:
    async with recorder() as (events, api):
        pod = _web()
        events.pod(pod, NORMAL, "Started", "Container started", pod.containers[0])
        await asyncio.sleep(0.1)

        (event,) = api.events(NAME)
        name = event["metadata"]["name"]
        assert event == {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {**event["metadata"], "namespace": "default"},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": NAME,
                "namespace": "default",
                "uid": pod.uid,
                "fieldPath": "spec.containers{main}",
            },
            "reason": "Started",
            "message": "Container started",
            "type": "Normal",
            "count": 1,
            "firstTimestamp": "2026-11-23T17:55:13Z",
            "lastTimestamp": "2026-11-23T17:55:13Z",
            "eventTime": None,
            "source": {"component": "kubelet", "host": "node-1"},
            "reportingComponent": "kubelet",
            "reportingInstance": "node-1",
        }
        assert name == f"{NAME}.{int(clock().replace(microsecond=0).timestamp()) * 10**9:x}"


@virtual
async def test_events_name_the_field_of_the_container_they_are_about() -> None:
    async with recorder() as (events, api):
        pod = _web()
        events.pod(pod, NORMAL, "Killing", "Stopping container main", "main")
        events.pod(pod, NORMAL, "Started", "Container started", pod.init_containers[0])
        events.pod(pod, WARNING, "FailedMount", "MountVolume.SetUp failed")
        await asyncio.sleep(0.1)

        paths = [event["involvedObject"].get("fieldPath") for event in api.events(NAME)]
        assert paths == ["spec.containers{main}", "spec.initContainers{first}", None]


@virtual
async def test_an_event_of_the_node_is_in_the_default_namespace_and_bears_the_nodes_name_as_uid() -> None:
    async with recorder() as (events, api):
        events.node(NORMAL, "Starting", "Starting kubelet.")
        await asyncio.sleep(0.1)

        (event,) = api.events("node-1")
        assert event["involvedObject"] == {"kind": "Node", "name": "node-1", "uid": "node-1"}
        assert event["metadata"]["namespace"] == "default"


@virtual
async def test_what_happens_again_raises_a_count_and_moves_the_last_time() -> None:
    async with recorder() as (events, api):
        for _ in range(3):
            events.pod(_web(), WARNING, "BackOff", "Back-off restarting failed container")
            await asyncio.sleep(10)

        (event,) = api.events(NAME)
        assert (event["count"], event["firstTimestamp"], event["lastTimestamp"]) == (
            3,
            "2026-11-23T17:55:13Z",
            "2026-11-23T17:55:33Z",
        )
        assert [method for method, _, _ in api.requests] == ["POST", "PATCH", "PATCH"]


@virtual
async def test_an_event_that_the_api_has_forgotten_is_made_again_with_its_count() -> None:
    async with recorder() as (events, api):
        events.pod(_web(), NORMAL, "Pulled", "Pulled it")
        await asyncio.sleep(1)
        (event,) = api.events(NAME)
        del api.objects["events", "default", event["metadata"]["name"]]
        events.pod(_web(), NORMAL, "Pulled", "Pulled it")
        await asyncio.sleep(1)

        assert told(api) == [("Pulled", 2, "Pulled it")]
        assert [method for method, _, _ in api.requests] == ["POST", "PATCH", "POST"]


@virtual
async def test_two_events_of_one_moment_have_two_names() -> None:
    async with recorder() as (events, api):
        events.pod(_web(), NORMAL, "Created", "Container created")
        events.pod(_web(), NORMAL, "Started", "Container started")
        await asyncio.sleep(0.1)

        assert told(api) == [("Created", 1, "Container created"), ("Started", 1, "Container started")]


@virtual
async def test_from_the_tenth_wording_of_a_reason_on_they_are_combined() -> None:
    async with recorder() as (events, api):
        for n in range(1, 13):
            events.pod(_web(), WARNING, "Unhealthy", f"attempt {n}")
            await asyncio.sleep(5)
        events.pod(_web(), WARNING, "Unhealthy", "attempt 1")
        await asyncio.sleep(5)

        assert told(api) == [
            ("Unhealthy", 2, "attempt 1"),
            *(("Unhealthy", 1, f"attempt {n}") for n in range(2, 10)),
            ("Unhealthy", 3, "(combined from similar events): attempt 12"),
        ]


@virtual
async def test_wordings_are_told_apart_by_type_and_reason_and_again_after_ten_minutes() -> None:
    async with recorder() as (events, api):
        for n in range(9):
            events.pod(_web(), WARNING, "Unhealthy", f"attempt {n}")
        events.pod(_web(), WARNING, "Failed", "attempt 9")
        events.pod(_web(), NORMAL, "Unhealthy", "attempt 9")
        await asyncio.sleep(601)
        events.pod(_web(), WARNING, "Unhealthy", "attempt 10")
        await asyncio.sleep(1)

        assert len(told(api)) == 12
        assert not [message for _, _, message in told(api) if message.startswith("(combined")]


@virtual
async def test_after_25_events_of_a_type_a_pod_may_have_one_every_five_minutes() -> None:
    async with recorder() as (events, api):
        for _ in range(40):
            events.pod(_web(), WARNING, "Unhealthy", "Readiness probe failed: ")
            await asyncio.sleep(1)
        at_first = told(api)
        events.pod(_web(), NORMAL, "Killing", "Stopping container main")
        await asyncio.sleep(261)
        events.pod(_web(), WARNING, "Unhealthy", "Readiness probe failed: ")
        events.pod(_web(), WARNING, "Unhealthy", "Readiness probe failed: ")
        await asyncio.sleep(1)

        assert at_first == [("Unhealthy", 25, "Readiness probe failed: ")]
        assert told(api) == [
            ("Unhealthy", 41, "Readiness probe failed: "),
            ("Killing", 1, "Stopping container main"),
        ]


def test_of_a_burst_25_are_told_and_five_minutes_later_exactly_one_more() -> None:
    correlator = Correlator()
    later = START + timedelta(seconds=300)

    assert [correlator.passes("web", START) for _ in range(26)] == [True] * 25 + [False]
    assert correlator.passes("other", START)
    assert not correlator.passes("web", later - timedelta(seconds=1))
    assert [correlator.passes("web", later) for _ in range(2)] == [True, False]
    much_later = START + timedelta(days=2)
    assert [correlator.passes("web", much_later) for _ in range(26)] == [True] * 25 + [False]


def test_ten_minutes_after_the_last_of_them_wordings_are_told_apart_again() -> None:
    correlator = Correlator()

    def combined(at: float, count: int) -> list[bool]:
        when = START + timedelta(seconds=at)
        return [correlator.combines("web", f"{at} {n}", when) for n in range(count)]

    assert combined(0, 11) == [False] * 9 + [True] * 2
    assert not correlator.combines("web", "0 8", START)
    assert combined(600, 1) == [True]
    assert combined(1201, 10) == [False] * 9 + [True]


def test_only_the_latest_objects_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labs.kubelet.event_correlation.KEPT", 2)
    correlator = Correlator()
    for _ in range(25):
        correlator.passes("first", START)
        correlator.passes("second", START)

    assert not correlator.passes("first", START)
    correlator.passes("third", START)
    assert not correlator.passes("first", START)
    assert correlator.passes("second", START)


@virtual
async def test_of_events_that_are_forgotten_counting_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labs.kubelet.events.KEPT", 2)
    async with recorder() as (events, api):
        for reason in ("First", "Second", "First", "Third", "First", "Second"):
            events.pod(_web(), NORMAL, reason, "Said")
            await asyncio.sleep(1)

        counted = [(reason, count) for reason, count, _ in told(api)]
        assert counted == [("First", 3), ("Second", 1), ("Third", 1), ("Second", 1)]


@virtual
async def test_while_the_api_is_away_only_so_many_events_wait_and_later_ones_are_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("labs.kubelet.events.KEPT", 2)
    async with recorder() as (events, api):
        for reason in ("First", "Second", "Third"):
            events.pod(_web(), NORMAL, reason, "Said")
        await asyncio.sleep(1)

        assert told(api) == [("First", 1, "Said"), ("Second", 1, "Said")]


@virtual
async def test_events_wait_for_the_api_and_one_that_it_refuses_is_not_sent_again() -> None:
    async with recorder() as (events, api):
        api.down = True
        events.pod(_web(), NORMAL, "Created", "Container created")
        await asyncio.sleep(100)
        while_down = told(api)
        api.down = False
        await asyncio.sleep(15)

        assert while_down == []
        assert told(api) == [("Created", 1, "Container created")]


@virtual
async def test_a_sandbox_that_cannot_be_made_is_told_and_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(tmp_path) as n:

        async def fails(*_: object) -> str:
            raise CriError("Unknown", "no room")

        with monkeypatch.context() as broken:
            broken.setattr(n.runtime, "run_sandbox", fails)
            n.put("web.yaml", manifest(metadata={"uid": "u-1"}))
            await n.until(lambda: "FailedCreatePodSandBox" in n.api.reasons(NAME))
        await n.until(n.running, 20)

        (event,) = (e for e in n.api.events(NAME) if e["reason"] == "FailedCreatePodSandBox")
        why = str(CriError("Unknown", "no room"))
        assert event["message"] == f"Failed to create pod sandbox: {why}"
        described = 'Failed to create sandbox for pod \\\\\\"web-node-1_default(u-1)\\\\\\": '
        assert (
            'err="failed to \\"CreatePodSandbox\\" for \\"web-node-1_default(u-1)\\" with '
            f'CreatePodSandboxError: \\"{described}'
        ) in capsys.readouterr().err


def test_an_event_that_was_not_written_is_told_whole() -> None:
    event = {
        "metadata": {"name": "web-node-1.18ec9f31b90b187b", "namespace": "nowhere"},
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "name": "web-node-1", "namespace": "nowhere", "uid": "u-1",
            "fieldPath": "spec.containers{main}",
        },
        "reason": "Created",
        "message": "Container created",
        "source": {"component": "kubelet", "host": "node-1"},
        "count": 2,
        "type": "Normal",
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
    }  # fmt: skip
    began = datetime(2026, 11, 29, 20, 47, 38, 46559, UTC)
    first, last = began + timedelta(seconds=129.274151), began + timedelta(seconds=130)

    assert in_go(event, first, last, began) == (
        "&Event{ObjectMeta:{web-node-1.18ec9f31b90b187b  nowhere    0 0001-01-01 00:00:00 +0000 UTC <nil> "
        "<nil> map[] map[] [] [] []},InvolvedObject:ObjectReference{Kind:Pod,Namespace:nowhere,"
        "Name:web-node-1,UID:u-1,APIVersion:v1,ResourceVersion:,FieldPath:spec.containers{main},},Reason:Created,"
        "Message:Container created,Source:EventSource{Component:kubelet,Host:node-1,},"
        "FirstTimestamp:2026-11-29 20:49:47.320710000 +0000 UTC m=+129.274151000,"
        "LastTimestamp:2026-11-29 20:49:48.046559000 +0000 UTC m=+130.000000000,Count:2,Type:Normal,"
        "EventTime:0001-01-01 00:00:00 +0000 UTC,Series:nil,Action:,Related:nil,"
        "ReportingController:kubelet,ReportingInstance:node-1,}"
    )
