"""Memory limits without cgroups: a container that is found above its limit is killed, and was OOMKilled.

Whoever may make no cgroup can still look. It is done a few times a second, so a fast container goes past its
limit for a moment, and not at all while no runtime is there; what a container shares counts in proportion.
"""

import asyncio
from collections.abc import Awaitable, Callable

from labs.runtime import stats
from labs.runtime.records import Container, Records

#: Seconds between two looks.
_INTERVAL = 0.2


class MemoryWatch:
    """Looks after the containers that have a limit, as long as there are any."""

    def __init__(self, records: Records[Container], kill: Callable[[Container], Awaitable[None]]) -> None:
        self._records = records
        self._kill = kill
        self._watching: asyncio.Task[None] | None = None

    def started(self, container: Container) -> None:
        """A container runs, or has been given another limit."""
        if _limit(container) and (self._watching is None or self._watching.done()):
            self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while limited := [each for each in self._records if each.running and _limit(each)]:
            for container in limited:
                if stats.memory_of(container.pid, _limit(container)) > _limit(container):
                    container.out_of_memory = True
                    await self._kill(container)
            await asyncio.sleep(_INTERVAL)


def _limit(container: Container) -> int:
    return int(container.config.linux.resources.memory_limit_in_bytes)
