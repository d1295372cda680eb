"""Thousands of file operations on a real node: it converges, and nothing of it stays but what should."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from cri_api.v1 import api_pb2 as cri

from tests.bench.node import Node
from tests.bench.processes import family, usage
from tests.long.disorder import LABEL, Disorder
from tests.long.traces import connections, processes, program, traces
from tests.long.waiting import until

if TYPE_CHECKING:
    from labs.cluster import Cluster

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

OPERATIONS, BATCH = 2000, 500
#: What is still to come after the last operation: a scan, a mirror that was lost sight of, garbage.
PATIENCE_SECONDS = 300.0
GROWTH = 1.1
#: The kubelet's to the API server, which are kept open for the next request.
SPARE_CONNECTIONS = 10


@pytest.fixture
def node(fresh_cluster: Cluster) -> Iterator[Node]:
    node = Node(fresh_cluster)
    yield node
    node.close()


def in_the_directory(cluster: Cluster, script: str) -> None:
    """Run lines of shell on the node, as a student would."""
    cluster.run(["sh", "-e"], input=f"cd /etc/kubernetes/manifests\n{script}\n").check_returncode()


def running(node: Node) -> dict[str, str]:
    """Pod to version, of the pods that have a running container."""
    sandboxes = {s.id: s for s in node.runtime.ListPodSandbox(cri.ListPodSandboxRequest()).items}
    containers = node.runtime.ListContainers(cri.ListContainersRequest()).containers
    of = [sandboxes[c.pod_sandbox_id] for c in containers if c.state == cri.CONTAINER_RUNNING]
    return {
        each.metadata.name.removesuffix(f"-{node.name}"): each.labels[LABEL]
        for each in of
        if LABEL in each.labels
    }


def mirrored(node: Node) -> dict[str, str]:
    """Pod to version, of the mirrors that say Running."""
    return {
        name.removesuffix(f"-{node.name}"): mirror.labels[LABEL]
        for name, mirror in node.mirrors().items()
        if LABEL in mirror.labels and mirror.phase == "Running"
    }


def weights(node: Node) -> dict[str, float]:
    """MB of each of the programs that run a node, by PSS."""
    pids = {program(pid): pid for pid in family(node.supervisor)}
    return {name: usage([pids[name]]).pss_mb for name in ("init", "containerd", "kubelet")}


def test_two_thousand_random_operations_end_converged_and_leave_nothing(
    fresh_cluster: Cluster, node: Node
) -> None:
    seed = int(os.environ.get("SOAK_SEED") or time.time())
    print(f"SOAK_SEED={seed}")
    disorder, pauses = Disorder(seed), random.Random(seed)
    in_the_directory(fresh_cluster, disorder.prepare())
    before, held, settled = traces(node), connections(node), {}

    for count in range(BATCH, OPERATIONS + 1, BATCH):
        steps = [f"{disorder.step()}; sleep {pauses.choice(['0', '0', '0.05', '0.3'])}" for _ in range(BATCH)]
        in_the_directory(fresh_cluster, "\n".join(steps))
        wanted = disorder.expected()
        until(lambda: running(node), wanted, PATIENCE_SECONDS)
        until(lambda: mirrored(node), wanted, PATIENCE_SECONDS)
        in_the_directory(fresh_cluster, disorder.clear())
        until(lambda: asdict(traces(node)), asdict(before), PATIENCE_SECONDS, hint=lambda: processes(node))
        assert connections(node) <= held + SPARE_CONNECTIONS
        settled[count] = weights(node)
        print(count, {name: round(weight, 1) for name, weight in settled[count].items()})

    first, last = settled[BATCH], settled[OPERATIONS]
    assert {
        name: round(last[name] / first[name], 2) for name in first if last[name] > GROWTH * first[name]
    } == {}
