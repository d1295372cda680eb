"""Whether the container runtime can be worked with (`pkg/kubelet/runtime.go`, and `syncLoop`'s use of it).

A runtime that has not answered for half a minute is down: the node is not ready, and no pod is synced until
it is back. A relist is missed for longer before it counts.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from labs.golang.duration import go_duration
from labs.golang.errors import aggregate
from labs.kubelet import klog
from labs.kubelet.pod.model import Pod

#: So many seconds without an answer to Status (`maxWaitForContainerRuntime`), or a relist, are too many.
DOWN_AFTER = 30.0
RELIST_THRESHOLD = 180.0
#: Between two looks while all is well, and between the first and any two later ones while it is not.
PERIOD = 1.0
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0


class RuntimeState:
    """What is known of the runtime; `watch` is its task."""

    def __init__(self, time: Callable[[], float]) -> None:
        """`time` is a clock in seconds that never goes back."""
        self._time = time
        self._answered: float | None = None
        self._relisted: float | None = None
        #: Why pods with a network of their own cannot start; empty when they can.
        self.network = "network state unknown"
        self._up = asyncio.Event()

    def answered(self) -> None:
        """The runtime has said that it is ready."""
        self._answered = self._time()

    def relisted(self) -> None:
        """All that it has was listed."""
        self._relisted = self._time()

    def faults(self) -> list[str]:
        """What is wrong, in upstream's words and order; the network aside."""
        found, now = [], self._time()
        if self._answered is None:
            found.append("container runtime status check may not have completed yet")
        elif now - self._answered >= DOWN_AFTER:
            found.append("container runtime is down")
        if self._relisted is None:
            found.append("PLEG is not healthy: pleg has yet to be successful")
        elif (ago := now - self._relisted) > RELIST_THRESHOLD:
            seen = f"pleg was last seen active {go_duration(ago)} ago"
            found.append(f"PLEG is not healthy: {seen}; threshold is {go_duration(RELIST_THRESHOLD)}")
        return found

    def why_not_ready(self) -> str:
        """Why the node takes no pods; empty when it does."""
        faults = [*self.faults(), *([self.network] if self.network else [])]
        return aggregate(faults) if faults else ""

    async def up(self) -> None:
        """Wait until pods may be synced."""
        await self._up.wait()

    @property
    def skipping(self) -> bool:
        """Whether no pod is synced now."""
        return not self._up.is_set()

    def look(self) -> bool:
        """Let pods be synced, or not and say why; whether they are."""
        faults = self.faults()
        if faults:
            self._up.clear()
            klog.error("kubelet.go:2661", "Skipping pod synchronization", aggregate(faults))
        else:
            self._up.set()
        return not faults

    async def watch(self) -> None:
        """Look for ever."""
        wait = FIRST_WAIT
        while True:
            if self.look():
                wait = FIRST_WAIT
                await asyncio.sleep(PERIOD)
            else:
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)


class Syncer(Protocol):
    """What is done to one pod."""

    async def sync(self, pod: Pod) -> None: ...
    async def terminate(self, pod: Pod) -> None: ...
    async def terminated(self, pod: Pod, wanted: bool, coming_back: bool) -> None: ...


class OnceUp:
    """A syncer that waits for the runtime to be up before it does anything."""

    def __init__(self, syncer: Syncer, state: RuntimeState) -> None:
        self._syncer = syncer
        self._state = state

    async def sync(self, pod: Pod) -> None:
        await self._state.up()
        await self._syncer.sync(pod)

    async def terminate(self, pod: Pod) -> None:
        await self._state.up()
        await self._syncer.terminate(pod)

    async def terminated(self, pod: Pod, wanted: bool, coming_back: bool) -> None:
        await self._state.up()
        await self._syncer.terminated(pod, wanted, coming_back)
