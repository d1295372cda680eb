"""A moment up to which the evidence is complete: the answer to "has everything been written down?".

What happened on a node reaches the evidence by several ways, each with a delay of its own. A barrier sends
something down each way and waits until it comes out at the end; what does not, has a silent recorder.
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labs.nodes.evidence import Evidence

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

    def __init__(self, connect: Callable[[], Awaitable[socket.socket]], credentials: Path) -> None:
        """`connect` gives a connection to whoever listens at the API server's address, or an `OSError`."""
        self._connect = connect
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
        connection = await self._connect()
        try:
            reader, writer = await asyncio.open_connection(
                sock=connection, ssl=self._tls(), server_hostname="kubernetes"
            )
        except ConnectionResetError as error:
            # before it heard a request: a forwarder or Docker's proxy with nobody behind it
            raise ConnectionRefusedError("no API server listens") from error
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


class Recorders(Protocol):
    """Whoever brings what happens on a node into the evidence; the API server's audit trail aside."""

    def ways(self) -> Mapping[str, Awaitable[None]]:
        """For each recorder what returns when all that it knew at this moment has been sent.

        It ends with an `OSError` when the recorder is known to be silent.
        """

    def settle(self) -> None:
        """Have what was sent written down."""


class ClusterRecorders:
    """The recorders of all nodes; those of a worker are called by its name, too."""

    def __init__(self, names: Sequence[str], recorders: Sequence[Recorders]) -> None:
        self._recorders = dict(zip(names, recorders, strict=True))
        self._first = names[0]

    def ways(self) -> Mapping[str, Awaitable[None]]:
        """See `Recorders`."""
        return {
            what if node == self._first else f"{what} of {node}": answer
            for node, recorders in self._recorders.items()
            for what, answer in recorders.ways().items()
        }

    def settle(self) -> None:
        """Record what has been sent by now."""
        for recorders in self._recorders.values():
            recorders.settle()


class Barriers:
    """Makes barriers for one cluster."""

    def __init__(self, evidence: Evidence, recorders: Recorders, api: ApiProbe) -> None:
        self._evidence = evidence
        self._recorders = recorders
        self._api = api

    async def make(self, timeout: float) -> Barrier:
        """Wait until all that has happened is recorded, at most `timeout` seconds."""
        api_up = True

        async def audit() -> None:
            nonlocal api_up
            api_up = await self._audited()

        ways = {**self._recorders.ways(), "audit": audit()}
        answered = await asyncio.gather(*(_within(timeout, answer) for answer in ways.values()))
        self._recorders.settle()
        silent = tuple(name for name, answer in zip(ways, answered, strict=True) if not answer)
        if not self._evidence.complete:
            silent = (*silent, "evidence")
        return Barrier(self._evidence.last, silent, api_up)

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
