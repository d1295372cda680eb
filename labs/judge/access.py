"""The judge's way into a cluster: its trusted socket, and the evidence as it grows.

Nothing else in `labs.judge` talks to a cluster. The socket is out of the student's reach; whoever holds it
may read all evidence and add the lab's own records (starts, answers, hints) to it.
"""

from __future__ import annotations

import json
import select
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from typing import Any, Protocol

from labs.judge.errors import JudgeError
from labs.judge.facts import Fact, read
from labs.nodes.client import Client, connect


class Judged(Protocol):
    """What the judge needs of a `labs.cluster.Cluster`."""

    @property
    def judge_socket(self) -> Path:
        """Where the supervisor serves the judge."""

    @property
    def nodes(self) -> Sequence[str]:
        """The nodes' names; the first is the one that exercises are about."""


@dataclass(frozen=True)
class Barrier:
    """A moment up to which the evidence is complete, and which recorders did not answer when asked."""

    seq: int
    silent: tuple[str, ...]


class Access:
    """One cluster, seen by the judge."""

    def __init__(self, cluster: Judged) -> None:
        self._socket = cluster.judge_socket
        self._client = Client(cluster.judge_socket)
        self.node = cluster.nodes[0]

    def record(self, event: str, **data: Any) -> int:
        """Add a record of the lab to the evidence; returns its place."""
        return int(self._client.call("record", source="lab", data={"event": event, **data})["seq"])

    def barrier(self) -> Barrier:
        """Have everything that happened until now written down, or learn who does not answer.

        An API server that is down records nothing, but neither does anything pass through it.
        """
        reply = self._client.call("barrier", timeout=5.0)
        down = reply.get("api") == "down"
        silent = tuple(name for name in reply.get("silent", ()) if not (down and name == "audit"))
        return Barrier(int(reply["seq"]), silent)

    def api_up(self) -> bool:
        """Whether the API server answers."""
        return bool(self._client.call("status").get("api"))

    def renew(self) -> None:
        """Have new nodes take the place of those that there are; `LabsError` where that cannot be."""
        self._client.call("renew")

    def run(
        self, argv: Sequence[str], *, trusted: bool = False, input: str | None = None, timeout: float = 60.0
    ) -> CompletedProcess[str]:
        """Run a command on the node, as a student's shell would or in the view no student can tamper with."""
        view = "trusted" if trusted else None
        try:
            return self._client.run(argv, view=view, input=input, timeout=timeout)
        except TimeoutExpired as error:
            command = shlex.join(argv)
            raise JudgeError(f"{command[:60]!r} took longer than {timeout:.0f} s on {self.node}") from error

    def facts(self) -> list[Fact]:
        """All facts that are written down at this moment."""
        records = self._client.call("evidence", since=0)["records"]
        return [fact for fact in map(read, records) if fact is not None]

    @contextmanager
    def evidence(self) -> Iterator[Evidence]:
        """All evidence from the beginning, followed as it grows."""
        with connect(self._socket) as connection:
            connection.sendall(b'{"op": "evidence", "since": 0, "follow": true}\n')
            yield Evidence(connection.fileno(), connection.recv)


class Evidence:
    """A growing list of facts. Reading is driven by the caller, who says up to where or how long."""

    def __init__(self, fileno: int, recv: Any) -> None:
        self.facts: list[Fact] = []
        self.seq = -1
        self._fileno = fileno
        self._recv = recv
        self._rest = b""

    def up_to(self, seq: int, *, within: float = 10.0) -> None:
        """Read until the record with that number is in."""
        deadline = time.monotonic() + within
        while self.seq < seq:
            if not self.more(deadline - time.monotonic()):
                raise JudgeError(
                    "the evidence did not arrive in time: see `labs doctor`, or boot the cluster again"
                )

    def more(self, seconds: float) -> bool:
        """Wait at most so long for records; whether any came."""
        if not select.select([self._fileno], [], [], max(seconds, 0.0))[0]:
            return False
        chunk = self._recv(1 << 20)
        if not chunk:
            raise JudgeError("the cluster was stopped meanwhile: `labs up` resumes it")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        return bool(lines)

    def _take(self, reply: Mapping[str, Any]) -> None:
        if reply.get("ok") is False:
            raise JudgeError(str(reply.get("error", "the supervisor refused to show the evidence")))
        record = reply.get("record")
        if record is None:
            return
        self.seq = record["seq"]
        fact = read(record)
        if fact is not None:
            self.facts.append(fact)
