"""The URL source: one Pod or a PodList served at `staticPodURL` (`pkg/kubelet/config/http.go`).

Asks at once and every `httpCheckFrequency`. What cannot be had or read leaves the pods as they are; only an
empty body takes them away. Bytes that were read once are not looked at again until they change, whatever
came of them.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from labs.kubelet import klog
from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import LATEST, MAX_SIZE, Version, pods_from_url
from labs.kubelet.pod.model import Pod

TIMEOUT = 10.0
#: Failures in a row that are logged; one more says that there will be no more of it.
LOGGED = 3
FAILED = "Failed to read pods from URL"


@dataclass(frozen=True)
class Answer:
    """What the server said; `status` as in `404 Not Found`."""

    code: int
    status: str
    body: bytes


class FetchError(Exception):
    """No answer, or too long a one; in Go's words."""


Fetch = Callable[[], Awaitable[Answer]]


class UrlSource:
    """Asks `fetch` and calls `publish` with the list of its pods."""

    def __init__(
        self,
        fetch: Fetch,
        url: str,
        node_name: str,
        period: float,
        publish: Callable[[list[Pod]], None],
        version: Version = LATEST,
    ) -> None:
        self._version = version
        self._fetch = fetch
        self.url = url
        self._node_name = node_name
        self._period = period
        self._publish = publish
        self._read = b""
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled."""
        klog.info("http.go:57", "Watching URL", v=1, URL=self.url)
        while True:
            await self.check()
            await asyncio.sleep(self._period)

    async def check(self) -> None:
        """Ask once."""
        try:
            await self._extract()
        except (FetchError, ManifestError) as error:
            self._failed(error)
            return
        if self._failures:
            klog.info("http.go:75", "Successfully read pods from URL")
            self._failures = 0

    def _failed(self, error: Exception) -> None:
        last = self._failures == LOGGED
        message = f"{FAILED}. Dropping verbosity of this message to V(4)" if last else FAILED
        klog.info("http.go:66", message, v=4 if self._failures > LOGGED else 0, err=error)
        self._failures += 1

    async def _extract(self) -> None:
        answer = await self._fetch()
        if answer.code != 200:
            raise FetchError(f"{self.url}: {answer.status}")
        if not answer.body:
            self._publish([])
            raise FetchError(f"zero-length data received from {self.url}")
        if answer.body == self._read:
            return
        self._read = answer.body
        self._publish(pods_from_url(answer.body, self.url, self._node_name, self._version))


def fetcher(url: str, headers: Mapping[str, Sequence[str]]) -> Fetch:
    """Fetches the URL with these headers, at most MAX_SIZE bytes of it."""
    sent = [(name, value) for name, values in headers.items() for value in values]

    async def fetch() -> Answer:
        aiohttp = await asyncio.to_thread(importlib.import_module, "aiohttp")
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=timeout, headers={"User-Agent": "Go-http-client/1.1"}
                ) as session,
                session.get(url, headers=sent) as response,
            ):
                body = await response.content.read(MAX_SIZE + 1)
                while len(body) <= MAX_SIZE and (more := await response.content.read(MAX_SIZE)):
                    body += more
                status = f"{response.status} {response.reason}"
        except TimeoutError:
            raise FetchError(f'Get "{url}": context deadline exceeded') from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(f'Get "{url}": {_why(error, url)}') from None
        if len(body) > MAX_SIZE:
            raise FetchError("read limit reached")
        return Answer(response.status, status, bytes(body))

    return fetch


def _why(error: Exception, url: str) -> str:
    inner = getattr(error, "os_error", error)
    if isinstance(inner, ConnectionRefusedError):
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"dial tcp {parts.hostname}:{port}: connect: connection refused"
    return str(error) or "EOF"
