"""Print how fast and how small a lab is; nothing here passes or fails.

Machines differ, so boots are also given as a multiple of a unit measured in the same run: one cold start of
Python with the libraries that kubelet, runtime and API server load. What was recorded of the real kubelet is
printed beside ours, measured by the same method on a machine of two cores; where Docker and the real
components are at hand, the real kubelet is measured in the same run too, which is the fair comparison. At
rest both are measured in the same half minute, for what a wake-up costs differs twofold from one to the next.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from rich.console import Console

from labs.cluster import Cluster
from tests.bench import tables
from tests.bench.api import Load
from tests.bench.boots import REAL, boot, kinds_of_nodes
from tests.bench.node import Node
from tests.bench.processes import Usage, family, usage
from tests.bench.static_pods import Crowd, crowd, life, roles

BOOTS = 5
ROUNDS = 10
REAL_ROUNDS = 5  # an edit takes the real kubelet a quarter of a minute
CROWDS = (10, 50, 100)
IDLE_SECONDS = 30
SETTLE_SECONDS = 10

console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)


def unit() -> float:
    """Seconds of one cold start of Python with aiohttp and grpc: the median of five."""
    spent = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import aiohttp, grpc"], check=True)
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Say how long a part of the benchmark itself takes."""
    started = time.monotonic()
    yield
    console.print(f"[dim]{name}: {time.monotonic() - started:.0f} s[/dim]")


def boots() -> None:
    """Each kind of node that can be booted here."""
    one = unit()
    console.print(f"unit: {one:.3f} s, a cold start of Python with aiohttp and grpc")
    kinds, lacking = kinds_of_nodes()
    rows: dict[str, list[float]] = {}
    for kind, options in kinds.items():
        for number in range(BOOTS):
            for key, seconds in boot(f"boot{number}", options):
                rows.setdefault(f"{kind}: {key}", []).append(seconds)
    console.print(tables.times(rows, one))
    for reason in lacking:
        console.print(reason)


def idleness(node: Node) -> None:
    """The node's own programs, and the lab as a whole, while nothing happens."""
    time.sleep(SETTLE_SECONDS)
    before = roles(node)
    (whole,) = resting(node)
    worked = {
        role: Usage(used.processes, used.pss_mb, used.cpu_s - before[role].cpu_s)
        for role, used in roles(node).items()
    }
    console.print(tables.idle(worked, IDLE_SECONDS))
    console.print(tables.labs(whole, None, IDLE_SECONDS))


def resting(*nodes: Node) -> list[Usage]:
    """What each node's lab weighs, and what it works in the same IDLE_SECONDS."""
    pids = [family(node.supervisor if node.embedded else node.process_1) for node in nodes]
    before = [usage(each) for each in pids]
    time.sleep(IDLE_SECONDS)
    after = [usage(each) for each in pids]
    return [
        Usage(now.processes, now.pss_mb, now.cpu_s - then.cpu_s)
        for then, now in zip(before, after, strict=True)
    ]


def static_pods(node: Node, rounds: int, name: str) -> tuple[dict[str, list[float]], dict[int, Crowd]]:
    """One pod's life, again and again; then many at once."""
    rows: dict[str, list[float]] = {}
    with part(f"{name}: one static pod"):
        for number in range(rounds):
            for key, seconds in life(node, f"t{number}"):
                rows.setdefault(key, []).append(seconds)
    results: dict[int, Crowd] = {}
    for count in CROWDS:
        with part(f"{name}: {count} pods at once"):
            results[count] = crowd(node, count)
    return rows, results


def real_node() -> tuple[dict[str, list[float]], dict[int, Crowd]]:
    """A node of the real components, in this run: at rest beside ours, then at work; nothing without one."""
    options = kinds_of_nodes()[0].get(REAL)
    if options is None:
        return {}, {}
    with running("real", **options) as node:
        with part("idleness side by side"), running("bench") as ours:
            time.sleep(SETTLE_SECONDS)
            console.print(tables.labs(*resting(ours, node), IDLE_SECONDS))
        return static_pods(node, REAL_ROUNDS, "the real kubelet")


@contextmanager
def running(name: str, **options: str) -> Iterator[Node]:
    """The first node of a cluster that is there for this long."""
    cluster = Cluster.up(name, **options)
    try:
        with closing(Node(cluster)) as node:
            yield node
    finally:
        cluster.down()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cks-bench-") as home:
        os.environ["XDG_STATE_HOME"] = home
        with part("boots"):
            boots()
        with running("bench") as node:
            with part("idleness"):
                idleness(node)
            with part("the API server at work"):
                api = Load(node.cluster)
                console.print(tables.load(api.listings(), api.propagation(), api.writes()))
        with running("bench") as node:
            rows, results = static_pods(node, ROUNDS, "ours")
        real_rows, real_results = real_node()
        console.print(tables.latencies(rows, real_rows))
        console.print(tables.crowds(results, real_results))


if __name__ == "__main__":
    main()
