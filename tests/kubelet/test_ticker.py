"""Ticks: their rate, their phase, and those that nobody waited for."""

import asyncio

from labs.kubelet.ticker import Ticker
from tests.kubelet.virtual_time import virtual


async def _moments(ticker: Ticker, takes: list[float]) -> list[float]:
    """When `ticker` ticked for one who is busy so long after each tick."""
    loop, moments = asyncio.get_running_loop(), []
    for seconds in takes:
        await ticker.tick()
        moments.append(round(loop.time(), 3))
        await asyncio.sleep(seconds)
    return moments


@virtual
async def test_the_rate_does_not_depend_on_what_is_done_in_between() -> None:
    assert await _moments(Ticker(10, phase=0), [0, 4, 9.5, 0]) == [10, 20, 30, 40]


@virtual
async def test_tickers_of_one_phase_tick_together_whenever_they_began() -> None:
    phase = asyncio.get_running_loop().time()
    await asyncio.sleep(0.4)
    early = asyncio.create_task(_moments(Ticker(1, phase), [0] * 4))
    await asyncio.sleep(0.3)
    late = asyncio.create_task(_moments(Ticker(2, phase), [0] * 2))

    assert (await early, await late) == ([1, 2, 3, 4], [2, 4])


@virtual
async def test_one_tick_waits_for_who_is_late_and_the_rest_are_lost() -> None:
    assert await _moments(Ticker(10, phase=0), [25, 0, 0]) == [10, 35, 40]


@virtual
async def test_the_first_tick_is_less_than_a_second_early() -> None:
    await asyncio.sleep(0.999)

    assert await _moments(Ticker(10, phase=0), [0, 0]) == [10, 20]
