"""A moment up to which the evidence is complete: the answer to "has everything been written down?".

What happened on a node reaches the evidence by several ways, each with a delay of its own. A barrier sends
something down each way and waits until it comes out at the end; what does not, has a silent recorder.
"""

import asyncio
import itertools
import secrets
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

from labs.nodes.embedded import EmbeddedNode
from labs.nodes.evidence import Evidence
from labs.nodes.forwarder import Forwarder
from labs.nodes.manifest_watch import ManifestWatch

#: A read that costs nothing; the query that is added makes it recognisable in the audit trail.
_PATH = "/api/v1/namespaces/default"


@dataclass(frozen=True)
class Barrier:
    """All that happened before is in the evidence up to `seq`, but for what `silent` recorders know."""

    seq: int
    silent: tuple[str, ...]
    api_up: bool


class ApiProbe:
    """The judge's own requests to the API server, by the credentials in a directory outside the node."""

    def __init__(self, forwarder: Forwarder, credentials: Path) -> None:
        self._forwarder = forwarder
        self._credentials = credentials
        self._context: ssl.SSLContext | None = None

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            context = ssl.create_default_context(cafile=str(self._credentials / "ca.crt"))
            context.load_cert_chain(self._credentials / "client.crt", self._credentials / "client.key")
            self._context = context
        return self._context

    async def get(self, path: str) -> int:
        """GET `path`; the answer's status. `OSError` when nobody (or something else) answers."""
        connection = await self._forwarder.connect()
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=self._tls(), server_hostname="kubernetes"
        )
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n".encode())
            line = await reader.readline()
            await reader.read()
        finally:
            writer.transport.abort()
        words = line.split()
        if len(words) < 2 or not words[1].isdigit():
            raise ConnectionResetError("the API server hung up")
        return int(words[1])

    async def is_up(self, timeout: float = 2.0) -> bool:
        """Whether an API server answers."""
        try:
            async with asyncio.timeout(timeout):
                return await self.get("/readyz") == 200
        except OSError:  # a timeout is one, too
            return False


class Barriers:
    """Makes barriers for one cluster."""

    def __init__(
        self, evidence: Evidence, node: EmbeddedNode, manifests: ManifestWatch, api: ApiProbe
    ) -> None:
        self._evidence = evidence
        self._node = node
        self._manifests = manifests
        self._api = api
        self._numbers = itertools.count(1)

    async def make(self, timeout: float) -> Barrier:
        """Wait until all that has happened is recorded, at most `timeout` seconds."""
        self._manifests.scan()
        api_up = True

        async def audit() -> None:
            nonlocal api_up
            api_up = await self._audited()

        names = ("runtime", "audit", "journal")
        answered = await asyncio.gather(
            _within(timeout, self._runtime_answers()),
            _within(timeout, audit()),
            _within(timeout, self._node.sync()),
        )
        self._node.drain_evidence()
        silent = tuple(name for name, answer in zip(names, answered, strict=True) if not answer)
        if not self._evidence.complete:
            silent = (*silent, "evidence")
        return Barrier(self._evidence.last, silent, api_up)

    async def _runtime_answers(self) -> None:
        if self._node.units.get("containerd.service") in ("inactive", "failed"):
            raise ConnectionRefusedError("the runtime is stopped")
        await self._node.ping_runtime(next(self._numbers))

    async def _audited(self) -> bool:
        """Whether there is an API server; if so, return only when a request of ours is in its audit trail."""
        marker, before = f"cks-labs-barrier={secrets.token_hex(8)}", self._evidence.last
        while True:
            try:
                await self._api.get(f"{_PATH}?{marker}")
                break
            except ConnectionRefusedError:
                return False
            except ConnectionError:
                continue  # it went down with our request in its hands: ask again, or learn that it is gone
        async for record in self._evidence.follow(before):
            event = record.get("event")
            if (
                record["source"] == "audit"
                and isinstance(event, dict)
                and marker in event.get("requestURI", "")
            ):
                break
        return True


async def _within(timeout: float, answer: Awaitable[None]) -> bool:
    """Whether `answer` came in time, and was one."""
    try:
        async with asyncio.timeout(timeout):
            await answer
    except OSError:  # also TimeoutError, and the refusals of certificates
        return False
    return True
