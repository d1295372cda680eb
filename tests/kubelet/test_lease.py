"""The node's heartbeat, above all when the API server does not take it; lines as seen of kubelet 1.36.2."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labs.kubelet.api_client import ApiError
from labs.kubelet.lease import NAMESPACE, NodeLease
from tests.kubelet.virtual_time import virtual

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CONFLICT = ApiError(409, "the object has been modified", "Conflict")
GONE = ApiError(404, "not found", "NotFound")
AWAY = ApiError(0, "connection refused")


class Leases:
    """An API with at most one lease; `faults` are raised by the next requests, None stands for none."""

    def __init__(self, *faults: ApiError | None) -> None:
        self.faults = [*faults]
        self.lease: dict[str, Any] | None = None
        self.node_is_there = True
        self.asked: list[tuple[float, str]] = []

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = ""
    ) -> dict[str, Any]:
        if path == "/api/v1/nodes/n":
            if not self.node_is_there:
                raise ApiError(404, 'nodes "n" not found', "NotFound")
            return {"metadata": {"uid": "u1"}}
        self.asked.append((round(asyncio.get_running_loop().time(), 3), method))
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        if method == "POST":
            assert path == NAMESPACE
            self.lease = body
        elif self.lease is None:
            raise GONE
        elif method == "PUT":
            self.lease = body
        assert self.lease is not None
        return self.lease


async def beating(api: Leases, seconds: float) -> None:
    """Let a lease of 40 s be renewed for so long."""
    loop = asyncio.get_running_loop()
    lease = NodeLease(api, "n", 40, lambda: BEGIN + timedelta(seconds=loop.time()))
    task = asyncio.create_task(lease.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_a_lease_is_made_and_then_renewed_every_quarter_of_its_duration() -> None:
    api = Leases()

    await beating(api, 25)

    assert api.asked == [(0, "GET"), (0, "POST"), (10, "PUT"), (20, "PUT")]
    assert api.lease == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": "n",
            "namespace": "kube-node-lease",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u1"}],
        },
        "spec": {
            "holderIdentity": "n",
            "leaseDurationSeconds": 40,
            "renewTime": "2026-01-01T00:00:20.000000Z",
        },
    }


@virtual
async def test_a_lease_that_is_there_is_renewed_at_once() -> None:
    api = Leases()
    api.lease = {"metadata": {"name": "n"}, "spec": {"leaseTransitions": 3}}

    await beating(api, 5)

    assert api.asked == [(0, "GET"), (0, "PUT")]
    assert api.lease["spec"]["leaseTransitions"] == 3


@virtual
async def test_while_the_server_is_away_it_is_tried_again_less_and_less_often() -> None:
    api = Leases(*[AWAY] * 9)

    await beating(api, 30)

    pauses = [later - sooner for (sooner, _), (later, _) in itertools.pairwise(api.asked)]
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 7, 7])


def test_what_is_said_of_it_is_what_a_real_kubelet_says(capsys: pytest.CaptureFixture[str]) -> None:
    @virtual
    async def away() -> None:
        await beating(Leases(None, None, *[AWAY] * 7), 11)

    away()

    said = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        *['"Failed to update lease" err="connection refused"'] * 5,
        '"failed to update lease using latest lease, fallback to ensure lease" '
        'err="failed 5 attempts to update lease"',
        '"Failed to ensure lease exists, will retry" err="connection refused" interval="200ms"',
        '"Failed to ensure lease exists, will retry" err="connection refused" interval="400ms"',
    ]


@virtual
async def test_a_lease_that_somebody_else_has_changed_is_read_again() -> None:
    api = Leases(None, None, CONFLICT)

    await beating(api, 15)

    assert api.asked == [(0, "GET"), (0, "POST"), (10, "PUT"), (10, "GET"), (10, "PUT")]


@virtual
async def test_a_lease_that_was_deleted_is_made_anew() -> None:
    api = Leases(None, None, *[GONE] * 6)

    await beating(api, 15)

    assert [method for _, method in api.asked] == ["GET", "POST", *["PUT"] * 5, "GET", "POST"]


def test_a_lease_that_is_found_and_cannot_be_renewed_waits_for_the_next_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    api = Leases(None, *[AWAY] * 5)
    api.lease = {"metadata": {"name": "n"}}

    @virtual
    async def found() -> None:
        await beating(api, 11)

    found()

    assert [at for at, _ in api.asked] == [0] * 6 + [10]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith('"Will retry updating lease" err="failed 5 attempts to update lease" interval="10s"')


def test_of_a_node_that_was_deleted_no_lease_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    # the lease went with the node, which the API server tells as a conflict of UIDs
    api = Leases(None, None, CONFLICT)

    @virtual
    async def deleted() -> None:
        task = asyncio.create_task(beating(api, 25))
        await asyncio.sleep(5)
        api.lease, api.node_is_there = None, False
        await task

    deleted()

    assert api.lease is None
    said = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    missing = (
        '"Failed to get node when trying to set owner ref to the node lease" err="nodes \\"n\\" not found" '
    )
    assert said == [
        '"Failed to update lease" err="the object has been modified"',
        f'{missing}node="n"',
        *[f'{missing}node="n"', '"Failed to prepare lease" err="nodes \\"n\\" not found"'] * 4,
        '"failed to update lease using latest lease, fallback to ensure lease" '
        'err="failed 5 attempts to update lease"',
        f'{missing}node="n"',
        f'{missing}node="n"',
    ]
