"""The kernel's one way to the cluster: the student's socket, found, booted or found again.

In the grader's sandbox the socket is all there is of the cluster, and `$CKS_LABS_STUDENT_SOCKET` names it.
Everywhere else the cluster `$CKS_LABS_CLUSTER` (`cks`) is used, started when it is not running, and resumed
when it went away under the notebook, after a reboot for example.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from labs.nodes.client import Client, Connection, SupervisorGoneError

T = TypeVar("T")
Progress = Callable[[str], None]


class Session:
    """The cluster that this kernel works on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._given = os.environ.get("CKS_LABS_STUDENT_SOCKET")
        self._name = os.environ.get("CKS_LABS_CLUSTER", "cks")
        self._path: Path | None = Path(self._given) if self._given else None

    @property
    def sandboxed(self) -> bool:
        """Whether this kernel runs where submissions are graded: nothing is shown live there."""
        return self._given is not None

    def attach(self) -> dict[str, Any]:
        """Find or boot the cluster; returns its status: name, nodes, engine, backend, api."""
        return self._again(lambda path: Client(path).call("status"))

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """A question about an exercise, and its answer."""
        result = None
        for line in self.follow(verb, **arguments):
            result = line.get("result", result)
        return dict(result or {})

    def follow(self, verb: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """The same, with each line of the answer: `{"progress": …}`, and at last `{"result": …}`."""

        def opened(path: Path) -> tuple[dict[str, Any] | None, Iterator[dict[str, Any]]]:
            lines = Client(path).stream("exercise", verb=verb, args=arguments)
            return next(lines, None), lines

        first, lines = self._again(opened)
        if first is not None:
            yield first
        yield from lines

    def watch(self, pod: str) -> Iterator[dict[str, Any]]:
        """A pod in three places, and again whenever something changes.

        Never boots a cluster: whoever stopped it may have meant to. `LabsError` while there is none.
        """
        assert self._path is not None  # nobody watches before having asked
        for line in Client(self._path).stream("exercise", verb="view", args={"pod": pod, "follow": True}):
            yield dict(line["progress"])

    def connection(self) -> Connection:
        """A conversation of one's own with the supervisor."""
        return self._again(Connection)

    def _again(self, do: Callable[[Path], T]) -> T:
        """Do something with the cluster, and once more after bringing it back if nobody was there."""
        if self._path is not None:
            try:
                return do(self._path)
            except SupervisorGoneError:
                if self.sandboxed:
                    raise
        self._path = self._boot()
        return do(self._path)

    def _boot(self) -> Path:
        from labs.cluster import Cluster  # not needed, and perhaps not there, in the sandbox

        return Cluster.up(self._name, progress=self._progress).student_socket
