"""The processes that process 1 of the node runs for us: are they alive, how did they end, and wait for it."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from labs.runtime.monitor import Monitor, MonitorError, Process


class Processes:
    """What is running under which name, kept up to date by the monitor's events."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._ends: dict[str, asyncio.Future[tuple[int, int]]] = {}
        self._found: dict[str, Process] = {}
        #: Called with each process that ends: name, exit code, time.
        self.on_exit: Callable[[str, int, int], object] = lambda *_: None
        monitor.on_exit = self._exited

    async def load(self) -> None:
        """Ask for all that happened while no runtime was there."""
        self._found = await self._monitor.processes()
        for process in self._found.values():
            if process.exit is not None:
                self._end(process.name).set_result((process.exit, process.finished))

    def find(self, name: str) -> Process | None:
        """What process 1 knew of `name` when this runtime started."""
        return self._found.get(name)

    def _end(self, name: str) -> "asyncio.Future[tuple[int, int]]":
        if name not in self._ends:
            self._ends[name] = asyncio.get_running_loop().create_future()
        return self._ends[name]

    def _exited(self, name: str, code: int, finished: int) -> None:
        end = self._end(name)
        if not end.done():
            end.set_result((code, finished))
        self.on_exit(name, code, finished)

    def ended(self, name: str) -> bool:
        return name in self._ends and self._ends[name].done()

    def end_of(self, name: str) -> tuple[int, int]:
        """Exit code and time of a process that has ended."""
        return self._ends[name].result()

    async def wait(self, name: str, timeout: float | None = None) -> bool:
        """Wait for the end of a process; False when it has not come within `timeout` seconds."""
        try:
            await asyncio.wait_for(asyncio.shield(self._end(name)), timeout)
        except TimeoutError:
            return False
        return True

    async def signal(self, name: str, number: int, pid: int = 0) -> bool:
        """Send a signal (to `pid`, which belongs to `name`); False when there is nobody any more."""
        try:
            await self._monitor.signal(name, number, pid or None)
        except MonitorError:
            return False
        return True

    async def kill(self, name: str, pid: int = 0) -> None:
        """Kill a process, and have it counted as ended if process 1 knows nothing of it."""
        known = await self.signal(name, signal.SIGKILL, pid) or await self.signal(name, signal.SIGKILL)
        if not known and not self.ended(name):
            self._end(name).set_result((255, 0))

    async def forget(self, name: str) -> None:
        """The process has ended and nobody will ask for it again."""
        self._ends.pop(name, None)
        self._found.pop(name, None)
        with suppress(MonitorError):  # it was never started
            await self._monitor.forget(name)
