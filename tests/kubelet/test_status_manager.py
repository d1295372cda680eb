"""Statuses on their way to the API: what is sent, when, and when a pod is let go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import pytest

from labs.kubelet.api_client import ApiError
from labs.kubelet.pod.model import Pod
from labs.kubelet.sources.api import pod_from_api
from labs.kubelet.status_manager import StatusManager, status_patch
from tests.kubelet.node import api_pod
from tests.kubelet.virtual_time import virtual

READY = {"type": "Ready", "status": "True"}
GATE = {"type": "own/gate", "status": "False"}
PATH = "/api/v1/namespaces/default/pods/web"


@pytest.mark.parametrize(
    ("seen", "wanted", "patch"),
    [
        ({}, {}, {}),
        ({"phase": "Running"}, {"phase": "Running"}, {}),
        ({"phase": "Pending"}, {"phase": "Running"}, {"phase": "Running"}),
        ({"reason": "Old", "phase": "Failed"}, {"phase": "Failed"}, {"reason": None}),
        ({"qosClass": "BestEffort", "other": 1}, {}, {}),
        ({"containerStatuses": [{"name": "a"}]}, {"containerStatuses": [{"name": "b"}]},
         {"containerStatuses": [{"name": "b"}]}),
        ({"podIPs": [{"ip": "1"}, {"ip": "2"}]}, {"podIPs": [{"ip": "2"}, {"ip": "3"}]},
         {"$setElementOrder/podIPs": [{"ip": "2"}, {"ip": "3"}],
          "podIPs": [{"ip": "3"}, {"$patch": "delete", "ip": "1"}]}),
        ({"hostIPs": [{"ip": "1"}]}, {}, {"hostIPs": None}),
        ({"conditions": [GATE]}, {"conditions": [READY]},
         {"$setElementOrder/conditions": [{"type": "Ready"}], "conditions": [READY]}),
        ({"conditions": [GATE, READY]}, {"conditions": [READY]}, {}),
        ({"conditions": [READY]}, {}, {}),
        ({"conditions": [{**READY, "reason": "Old", "status": "False"}]}, {"conditions": [READY]},
         {"$setElementOrder/conditions": [{"type": "Ready"}], "conditions": [{**READY, "reason": None}]}),
    ],
)  # fmt: skip
def test_a_patch_has_what_differs_and_leaves_what_is_others(
    seen: dict[str, Any], wanted: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert status_patch(seen, wanted) == patch


@pytest.mark.parametrize(
    "field",
    [
        "allocatedResources", "hostIP", "initContainerStatuses", "message", "observedGeneration", "podIP",
        "resources", "startTime",
    ],
)  # fmt: skip
def test_every_field_of_the_kubelets_is_sent_and_taken_back(field: str) -> None:
    assert status_patch({}, {field: "x"}) == {field: "x"}
    assert status_patch({field: "x"}, {}) == {field: None}


class Shown:
    """What the API shows of a pod."""

    def __init__(self) -> None:
        self.obj: dict[str, Any] | None = {"metadata": {"uid": "shown"}, "status": {"phase": "Pending"}}

    def get(self, pod: Pod) -> dict[str, Any] | None:
        return self.obj

    def remember(self, obj: dict[str, Any]) -> None:
        self.obj = obj


class Bench:
    """A status manager of one pod, and the API it talks to."""

    def __init__(self, static: bool = False, **metadata: Any) -> None:
        obj = api_pod()
        source = {"annotations": {"kubernetes.io/config.source": "file"}} if static else {}
        obj["metadata"] |= {"uid": "1", **source, **metadata}
        self.pod = pod_from_api(obj)
        self.here: Pod | None = self.pod
        self.shown, self.other = Shown(), Shown()
        self.other.obj = None
        self.requests: list[tuple[float, str, str, Any, str]] = []
        self.error: ApiError | None = None
        #: What the API has to say before a status is written, and what it has by now.
        self.unread: ApiError | None = None
        self.now: dict[str, Any] | None = None
        self.spelling: dict[str, Any] = {}
        places = (self.shown, self.other) if static else (self.other, self.shown)
        self.manager = StatusManager(self, *places, lambda uid: self.here if uid == "1" else None)

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = ""
    ) -> dict[str, Any]:
        if method == "GET":
            if self.unread is not None:
                raise self.unread
            found = self.now or self.shown.obj
            assert found is not None
            assert path == PATH
            return found
        self.requests.append((asyncio.get_running_loop().time(), method, path, deepcopy(body), content_type))
        if self.error is not None:
            raise self.error
        assert self.shown.obj is not None
        status = {**self.shown.obj["status"], **body.get("status", {}), **self.spelling}
        return {**self.shown.obj, "status": status}

    @property
    def sent(self) -> list[Any]:
        return [(at, body["status"]) for at, method, _, body, _ in self.requests if method == "PATCH"]


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Bench]:
    bench = Bench(**options)
    task = asyncio.create_task(bench.manager.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("static", [False, True])
@virtual
async def test_a_new_status_is_sent_at_once_to_exactly_the_object_that_was_seen(static: bool) -> None:
    async with running(static=static) as it:
        it.manager.set(it.pod, {"phase": "Running"})
        await asyncio.sleep(100)

        assert it.requests == [
            (0, "PATCH", f"{PATH}/status", {"metadata": {"uid": "shown"}, "status": {"phase": "Running"}},
             "application/strategic-merge-patch+json"),
        ]  # fmt: skip
        assert it.shown.obj == {"metadata": {"uid": "shown"}, "status": {"phase": "Running"}}
        assert it.manager.get(it.pod) == {"phase": "Running"}


@virtual
async def test_before_the_first_status_the_apis_counts() -> None:
    it = Bench()

    assert it.manager.get(it.pod) == {"phase": "Pending"}
    it.shown.obj = {"metadata": {}}
    assert it.manager.get(it.pod) == {}
    it.shown.obj = None
    assert it.manager.get(it.pod) == {}


@virtual
async def test_what_the_api_shows_otherwise_is_put_right_within_ten_seconds() -> None:
    async with running() as it:
        it.manager.set(it.pod, {"phase": "Running"})
        await asyncio.sleep(1)
        it.shown.obj = {"metadata": {"uid": "shown"}, "status": {"phase": "Unknown"}}
        await asyncio.sleep(20)

        assert it.sent == [(0, {"phase": "Running"}), (10, {"phase": "Running"})]


@virtual
async def test_the_apis_own_spelling_is_not_corrected_for_ever() -> None:
    async with running() as it:
        it.spelling = {"phase": "running"}
        it.manager.set(it.pod, {"phase": "Running"})
        await asyncio.sleep(35)

        assert it.sent == [(0, {"phase": "Running"})]


@pytest.mark.parametrize(("status", "told"), [(500, True), (404, False), (409, False)])
def test_a_status_that_is_refused_is_sent_again(
    status: int, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    @virtual
    async def check() -> None:
        async with running() as it:
            it.error = ApiError(status, "no")
            it.manager.set(it.pod, {"phase": "Running"})
            await asyncio.sleep(15)

            assert [at for at, _ in it.sent] == [0, 10]
            line = 'status_manager.go:1196] "Failed to update status for pod" err="no" pod="default/web"'
            assert (line in capsys.readouterr().err) is told

    check()


@virtual
async def test_nothing_is_said_of_a_pod_that_nobody_knows_shows_or_has_looked_at() -> None:
    async with running() as it:
        it.manager.push("1")
        it.manager.set(it.pod, {"phase": "Running"})
        it.here = None
        await asyncio.sleep(1)
        it.here, it.shown.obj = it.pod, None
        await asyncio.sleep(20)
        it.shown.obj = {"metadata": {"uid": "shown"}, "status": {}}
        it.manager.forget("1")
        await asyncio.sleep(20)

        assert it.requests == []


DELETE = {
    "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": "1"},
}  # fmt: skip


@virtual
async def test_a_pod_that_has_stopped_and_shows_it_is_let_go_once() -> None:
    async with running(deletionTimestamp="2026-01-01T00:00:00Z") as it:
        it.manager.set(it.pod, {"phase": "Failed"})
        await asyncio.sleep(15)
        assert [method for _, method, *_ in it.requests] == ["PATCH"]

        it.manager.finish(it.pod, {"phase": "Failed"})
        await asyncio.sleep(50)

        assert [r[1:4] for r in it.requests[1:]] == [("DELETE", PATH, DELETE)]


@pytest.mark.parametrize(
    ("phase", "metadata"),
    [("Running", {"deletionTimestamp": "2026-01-01T00:00:00Z"}), ("Failed", {})],
    ids=["runs", "wanted"],
)
def test_a_pod_that_runs_or_is_wanted_is_not_let_go(phase: str, metadata: dict[str, str]) -> None:
    @virtual
    async def check() -> None:
        async with running(**metadata) as it:
            it.manager.finish(it.pod, {"phase": phase})
            await asyncio.sleep(50)

            assert [method for _, method, *_ in it.requests] == ["PATCH"]

    check()


@pytest.mark.parametrize(("status", "told"), [(500, True), (404, False), (409, False)])
def test_letting_go_is_tried_again_until_the_pod_is_forgotten(
    status: int, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    @virtual
    async def check() -> None:
        async with running(deletionTimestamp="2026-01-01T00:00:00Z") as it:
            it.shown.obj = {"metadata": {"uid": "1"}, "status": {"phase": "Failed"}}
            it.error = ApiError(status, "no")
            it.manager.finish(it.pod, {"phase": "Failed"})
            await asyncio.sleep(15)
            it.manager.forget("1")
            await asyncio.sleep(30)

            assert [(at, method) for at, method, *_ in it.requests] == [(0, "DELETE"), (10, "DELETE")]
            line = 'status_manager.go:1236] "Failed to delete status for pod" err="no" pod="default/web"'
            assert (line in capsys.readouterr().err) is told

    check()


@virtual
async def test_a_status_that_cannot_be_read_first_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    async with running() as it:
        for it.unread in (ApiError(0, "Get: refused"), ApiError(404, "not found")):
            it.manager.set(it.pod, {"phase": "Running", "it": str(it.unread.status)})
            await asyncio.sleep(0.1)

        assert it.requests == []
    told = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines() if "1164" in line]
    assert told == ['"Failed to get status for pod" err="Get: refused" podUID="1" pod="default/web"']


@virtual
async def test_a_pod_that_was_made_again_keeps_its_own_status() -> None:
    async with running() as it:
        it.now = {"metadata": {"uid": "another"}, "status": {"phase": "Pending"}}
        it.manager.set(it.pod, {"phase": "Running"})
        await asyncio.sleep(0.1)

        assert it.requests == []


@virtual
async def test_what_the_api_has_by_now_is_what_a_status_is_compared_with() -> None:
    async with running() as it:
        it.now = {"metadata": {"uid": "shown"}, "status": {"phase": "Pending", "reason": "Other"}}
        it.manager.set(it.pod, {"phase": "Running"})
        await asyncio.sleep(0.1)

        assert it.sent == [(0.0, {"phase": "Running", "reason": None})]


@virtual
async def test_what_the_api_has_already_is_not_written_again() -> None:
    async with running() as it:
        it.now = {"metadata": {"uid": "shown"}, "status": {"phase": "Running"}}
        it.manager.set(it.pod, {"phase": "Running"})
        await asyncio.sleep(60)

        assert it.requests == []
        assert it.shown.obj == it.now
