"""The lab of one submission: a fresh cluster of its own, and the judge that looks at it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from grader.lab import Lab
from grader.record import Verdict
from labs import judge
from labs.cluster import Cluster
from labs.judge.access import Access
from labs.judge.facts import Began
from labs.nodes.state import clusters_directory

#: Notebooks name the node's pods (`web-cks-control-plane`), so every submission's cluster has this name,
#: each in a state directory of its own.
NAME = "cks"


class ClusterLab:
    """A running cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.name = cluster.name

    @property
    def socket(self) -> Path:
        return self._cluster.student_socket

    def started(self, exercise: str) -> bool:
        facts = Access(self._cluster).facts()
        return any(isinstance(fact, Began) and fact.exercise == exercise for fact in facts)

    def start(self, exercise: str) -> None:
        judge.start(self._cluster, exercise)

    def check(self, exercise: str) -> Verdict:
        return cast(Verdict, judge.check(self._cluster, exercise).to_json())


@contextlib.contextmanager
def cluster_lab(run: str) -> Iterator[Lab]:
    """A new cluster for this run, gone afterwards with all its state.

    From now on its students hear `recorded` from a check and no verdict. Clusters that a killed grader left
    behind are removed first.
    """
    sweep()
    home = _homes() / run
    with _held(home), _state_home(home):
        try:
            cluster = Cluster.up(NAME)
            cluster.call("grading", on=True)
            yield ClusterLab(cluster)
        finally:
            _remove(home)


def sweep() -> None:
    """Remove what graders that no longer live have left: clusters, their processes, their files."""
    homes = _homes()
    for home in homes.iterdir() if homes.is_dir() else ():
        with contextlib.suppress(BlockingIOError), _held(home), _state_home(home):
            _remove(home)


def _remove(home: Path) -> None:
    for cluster in Cluster.all():
        cluster.down()
    shutil.rmtree(home)


def _homes() -> Path:
    return clusters_directory().parent / "grading"


@contextlib.contextmanager
def _held(home: Path) -> Iterator[None]:
    """Say that `home` is in use, for as long as this process lives; `BlockingIOError` if another says so."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _state_home(home: Path) -> Iterator[None]:
    """Have `labs` keep its state in `home`: for one run at a time, the environment is the process'."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before
