"""Who is served first when more is asked at once than a server can do."""

from __future__ import annotations

import asyncio

from labs.controlplane.apiserver.context import Target, target_of
from labs.controlplane.apiserver.flowcontrol import SEATS, FlowControl
from labs.controlplane.http import Peer, Request

PODS = "/api/v1/namespaces/default/pods"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"


def test_leases_are_served_at_once_and_all_else_in_its_turn() -> None:
    async def scenario() -> list[str]:
        control, served, done = FlowControl(), list[str](), asyncio.Event()

        async def look(number: int) -> None:
            async with control.seat(_target("GET", PODS)):
                served.append(f"pod {number}")
                await done.wait()

        async def renew(method: str) -> None:
            async with control.seat(_target(method, LEASE)):
                served.append(method)

        pods = [asyncio.create_task(look(number)) for number in range(SEATS + 2)]
        await asyncio.gather(*(asyncio.create_task(renew(method)) for method in ("GET", "PUT")))
        done.set()
        await asyncio.gather(*pods)
        return served

    served = asyncio.run(asyncio.wait_for(scenario(), 30))

    pods = [f"pod {n}" for n in range(SEATS + 2)]
    assert served == [*pods[:SEATS], "GET", "PUT", *pods[SEATS:]]


def _target(method: str, path: str) -> Target:
    return target_of(Request(method, path, {}, b"", Peer("")))
