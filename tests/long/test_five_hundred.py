"""As many static pods as an administrator could want of one node."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from cri_api.v1 import api_pb2 as cri

from labs.cluster import Cluster
from tests.bench.node import Node
from tests.conftest import booted
from tests.long.traces import programs, traces
from tests.long.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

PODS = 500
#: What most distributions give a user's processes.
USUAL_DESCRIPTORS = 1024
PATIENCE_SECONDS = 800.0

MANIFEST = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: many$i}\nspec:\n  terminationGracePeriodSeconds: 1\n"
    "  containers: [{name: main, image: busybox:1.36, command: [sleep, infinity]}]\n"
)
#: As on a real node: more pods than the usual 110, and a range of addresses that has room for them.
ROOM = f"""
set -e
sed -i '/^maxPods:/d' /var/lib/kubelet/config.yaml
echo 'maxPods: {PODS + 10}' >> /var/lib/kubelet/config.yaml
sed -i 's#10.244.0.0/24#10.244.0.0/22#' /etc/cni/net.d/*.conflist
systemctl restart kubelet
"""
WRITE = f"""
set -e
mkdir -p /etc/kubernetes/drafts
cd /etc/kubernetes/drafts
for i in $(seq {PODS}); do cat > many$i.yaml <<END
{MANIFEST}END
done
mv many*.yaml ../manifests/
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """One whose processes are given no more descriptors than usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_DESCRIPTORS, hard))
    try:
        with booted() as cluster:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            yield cluster
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def node(cluster: Cluster) -> Iterator[Node]:
    node = Node(cluster)
    yield node
    node.close()


def pods_by_status(cluster: Cluster) -> dict[str, int]:
    """What `kubectl get pods` says: READY and STATUS, and of how many."""
    listed = cluster.run(["kubectl", "get", "pods", "--no-headers"]).stdout.splitlines()
    columns = [" ".join(line.split()[1:3]) for line in listed]
    return {each: columns.count(each) for each in sorted(set(columns))}


def test_five_hundred_static_pods_run_on_one_node_and_go_without_a_trace(
    cluster: Cluster, node: Node
) -> None:
    cluster.run(["sh", "-c", ROOM]).check_returncode()
    capacity = ["kubectl", "get", "node", node.name, "-o", "jsonpath={.status.capacity.pods}"]
    until(lambda: cluster.run(capacity).stdout, str(PODS + 10), PATIENCE_SECONDS)
    before = traces(node)

    cluster.run(["sh", "-c", WRITE]).check_returncode()
    took = until(lambda: pods_by_status(cluster), {"1/1 Running": PODS}, PATIENCE_SECONDS)
    started = time.monotonic()
    pods_by_status(cluster)
    print(f"{PODS} pods Running after {took:.0f} s; kubectl get pods: {time.monotonic() - started:.2f} s")
    addresses = {
        node.runtime.PodSandboxStatus(cri.PodSandboxStatusRequest(pod_sandbox_id=each.id)).status.network.ip
        for each in node.runtime.ListPodSandbox(cri.ListPodSandboxRequest()).items
        if each.metadata.name.startswith("many")
    }
    cluster.run(["sh", "-c", "rm /etc/kubernetes/manifests/many*"]).check_returncode()
    took = until(lambda: pods_by_status(cluster), {}, PATIENCE_SECONDS)
    print(f"all gone after {took:.0f} s")

    assert len(addresses) == PODS
    until(lambda: asdict(traces(node)), asdict(before), PATIENCE_SECONDS, hint=lambda: programs(node))
