"""The kubelet asks no more of the API server than its configuration allows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from labs.kubelet.config import KubeletConfig
from labs.kubelet.flowcontrol import RateLimited
from tests.kubelet.virtual_time import virtual


class Noting:
    """An API that notes when it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = ""
    ) -> dict[str, Any]:
        self.asked.append(round(asyncio.get_running_loop().time(), 3))
        return {"asked": [method, path, body, content_type]}


async def moments(qps: int, burst: int, count: int, *, after: float = 0.0) -> list[float]:
    """When each of so many requests, all made at once, reached the API."""
    api = Noting()
    limited = RateLimited(api, qps, burst)
    await asyncio.sleep(after)
    await asyncio.gather(*(limited.request("GET", f"/{each}") for each in range(count)))
    return api.asked


@virtual
async def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    assert await moments(50, 100, 103, after=60) == [*[60.0] * 100, 60.02, 60.04, 60.06]


@pytest.mark.parametrize(("qps", "burst", "rest"), [(0, 3, [0.2, 0.4]), (5, 0, []), (-1, 3, [0.0, 0.0])])
@virtual
async def test_nothing_given_is_client_gos_own_limit_and_less_than_that_is_none(
    qps: int, burst: int, rest: list[float]
) -> None:
    assert await moments(qps, burst, 5) == [*[0.0] * (5 - len(rest)), *rest]


@virtual
async def test_what_was_not_asked_for_is_saved_up_to_one_burst() -> None:
    api = Noting()
    limited = RateLimited(api, 10, 2)

    for pause in (100, 0.1):
        await asyncio.sleep(pause)
        await asyncio.gather(*(limited.request("GET", "/") for _ in range(3)))

    assert api.asked == [100.0, 100.0, 100.1, 100.2, 100.3, 100.4]


@virtual
async def test_a_request_goes_as_it_is() -> None:
    answer = await RateLimited(Noting(), 1, 1).request("PATCH", "/a", {"b": 1}, "text/x")

    assert answer == {"asked": ["PATCH", "/a", {"b": 1}, "text/x"]}


def test_the_limits_are_those_of_the_configuration_file() -> None:
    kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
    given = b"kubeAPIQPS: 7\nkubeAPIBurst: 8\neventRecordQPS: 9\neventBurst: 10\n"

    usual = KubeletConfig.from_file(kind.encode(), "/x")
    changed = KubeletConfig.from_file(kind.encode() + given, "/x")

    assert (usual.kube_api_qps, usual.kube_api_burst, usual.event_record_qps, usual.event_burst) == (
        *(50, 100),
        *(50, 100),
    )
    assert (changed.kube_api_qps, changed.kube_api_burst) == (7, 8)
    assert (changed.event_record_qps, changed.event_burst) == (9, 10)
