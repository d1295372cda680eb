"""Go's `time.Ticker`, with ticks that fall together."""

import asyncio
from math import floor


class Ticker:
    """Ticks every `period` seconds, at whole seconds from the loop's time `phase`.

    A machine that has nothing else to do is woken once for all tickers of one phase, not once for each. The
    first tick comes up to a second early for that. As of Go's ticker, one tick is kept for whoever is late
    and further ones are lost.
    """

    def __init__(self, period: float, phase: float) -> None:
        self._period = period
        elapsed = asyncio.get_running_loop().time() + period - phase
        self._next = phase + floor(elapsed)

    async def tick(self) -> None:
        """Wait for the next tick, if it has not been already."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._next - loop.time()))
        missed = floor((loop.time() - self._next) / self._period)
        self._next += self._period * (max(0, missed) + 1)
