"""No more requests to the API server than the configuration allows (client-go's `util/flowcontrol`)."""

import asyncio
from typing import Any

from labs.kubelet.mirror import Api

#: What client-go's requests go by where the configuration says 0.
DEFAULT_QPS, DEFAULT_BURST = 5, 10


class TokenBucket:
    """`burst` requests at once and `qps` a second after them; fewer than 0 of them are no limit."""

    def __init__(self, qps: int, burst: int) -> None:
        self._qps = qps or DEFAULT_QPS
        self._burst = burst or DEFAULT_BURST
        self._tokens = float(self._burst)
        self._at = 0.0

    async def take(self) -> None:
        """Wait for a token; who comes first is served first."""
        if self._qps < 0:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._qps)
        self._at = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._qps)


class RateLimited:
    """The API for those of the kubelet's parts that share one limit."""

    def __init__(self, api: Api, qps: int, burst: int) -> None:
        self._api = api
        self._bucket = TokenBucket(qps, burst)

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = ""
    ) -> dict[str, Any]:
        """As the API's own, perhaps later. Raises ApiError."""
        await self._bucket.take()
        return await self._api.request(method, path, body, content_type)
