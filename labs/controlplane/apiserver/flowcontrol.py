"""Who is served first when more is asked at once than a server can do (API Priority and Fairness, in short).

One process does one thing at a time: of several hundred requests that are all under way every one is late.
So some are under way and the others wait for their turn, except for leases: whoever leads or lives must be
able to say so, however much is asked besides (the flow schemas `system-leader-election`, `system-node-high`).
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from .context import Target

#: Requests under way at once: enough to keep etcd busy while others are read and written.
SEATS = 16


class FlowControl:
    """Gives out seats, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._seats = asyncio.Semaphore(SEATS)

    def seat(self, target: Target) -> AbstractAsyncContextManager[None]:
        """A context in which the request is served."""
        if target.group == "coordination.k8s.io":
            return nullcontext()
        return self._seats
