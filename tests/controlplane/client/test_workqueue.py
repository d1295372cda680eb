"""Keys wait once, are worked on by one worker at a time, and come again later after a failure."""

from __future__ import annotations

import asyncio

from labs.controlplane.client import WorkQueue
from tests.kubelet.virtual_time import virtual


def _queue() -> WorkQueue[str]:
    return WorkQueue("test", clock=asyncio.get_running_loop().time)


@virtual
async def test_a_key_added_twice_is_there_once() -> None:
    queue = _queue()
    queue.add("a")
    queue.add("a")

    assert await queue.get() == "a"
    assert len(queue) == 0


@virtual
async def test_a_key_added_while_it_is_worked_on_comes_again_afterwards() -> None:
    queue = _queue()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0

    queue.done(key)

    assert await queue.get() == "a"


@virtual
async def test_each_failure_doubles_the_wait_until_the_key_is_forgotten() -> None:
    queue, clock, waits = _queue(), asyncio.get_running_loop().time, []
    for failure in range(4):
        before = clock()
        queue.add_rate_limited("a")
        queue.done(await queue.get())
        waits.append(round(clock() - before, 3))
        assert queue.failures("a") == failure + 1

    assert waits == [0.005, 0.01, 0.02, 0.04]
    queue.forget("a")
    assert queue.failures("a") == 0


@virtual
async def test_of_two_times_the_earlier_one_counts() -> None:
    queue, clock = _queue(), asyncio.get_running_loop().time
    queue.add_after("a", 10)
    queue.add_after("a", 2)
    queue.add_after("a", 5)

    await queue.get()

    assert clock() == 2


@virtual
async def test_work_that_raises_is_told_and_tried_again() -> None:
    queue, tried, told = _queue(), [], []
    done = asyncio.Event()

    async def sync(key: str) -> None:
        tried.append(key)
        if len(tried) < 3:
            raise ValueError("not yet")
        done.set()

    queue.add("a")
    work = asyncio.ensure_future(queue.work(sync, lambda key, error: told.append(f"{key}: {error}")))
    await done.wait()
    work.cancel()

    assert tried == ["a", "a", "a"]
    assert told == ["a: not yet", "a: not yet"]
