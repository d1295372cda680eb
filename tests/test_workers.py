"""A cluster of several nodes: each obeys its own manifests directory, and their pods reach one another."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from labs.cluster import Cluster
from labs.errors import UsageError
from labs.nodes import launch

from .conftest import BACKENDS, booted

pytestmark = pytest.mark.long

SERVER = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:1.36
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www"]
"""

#: A node has the one or the other.
FETCH = 'if command -v curl >/dev/null; then curl -fsS "$1"; else wget -qO- "$1"; fi'


@pytest.fixture(scope="module", params=BACKENDS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with booted(workers=2, **request.param) as three_nodes:
        yield three_nodes


def _get(cluster: Cluster, *what: str) -> dict[str, Any]:
    shown = cluster.run(["kubectl", "get", *what, "-o", "json"])
    assert shown.returncode == 0, shown.stderr
    document: dict[str, Any] = json.loads(shown.stdout)
    return document


def _serve(cluster: Cluster, node: str) -> str:
    """Run a web server as a static pod of `node`; the pod's address."""
    put = "cat > /etc/kubernetes/.web && mv /etc/kubernetes/.web /etc/kubernetes/manifests/web.yaml"
    assert cluster.run(["sh", "-c", put], node=node, input=SERVER).returncode == 0
    pod = f"pod/web-{node}"
    for condition in ("create", "jsonpath={.status.phase}=Running"):
        waited = cluster.run(["kubectl", "wait", f"--for={condition}", pod, "--timeout=60s"])
        assert waited.returncode == 0, waited.stderr
    return str(_get(cluster, pod)["status"]["podIP"])


def test_nodes_are_called_and_labelled_as_kind_has_them(cluster: Cluster) -> None:
    nodes = {node["metadata"]["name"]: node for node in _get(cluster, "nodes")["items"]}

    name = cluster.name
    assert tuple(nodes) == cluster.nodes == (f"{name}-control-plane", f"{name}-worker", f"{name}-worker2")
    role = "node-role.kubernetes.io/control-plane"
    assert [role in node["metadata"]["labels"] for node in nodes.values()] == [True, False, False]
    taints = [{taint["key"] for taint in node["spec"].get("taints", [])} for node in nodes.values()]
    assert [role in keys for keys in taints] == [True, False, False]


def test_pods_of_different_nodes_reach_each_other_and_are_reached_from_a_third(cluster: Cluster) -> None:
    control_plane, *workers = cluster.nodes
    addresses = {node: _serve(cluster, node) for node in workers}

    for node, address in addresses.items():
        asked = cluster.run(["sh", "-c", FETCH, "fetch", f"http://{address}"], node=control_plane)
        assert asked.stdout == f"web-{node}\n", asked.stderr
    first, second = workers
    inside = f"crictl exec $(crictl ps -q --name main) wget -qO- http://{addresses[second]}"
    asked = cluster.run(["sh", "-c", inside], node=first)
    assert asked.stdout == f"web-{second}\n", asked.stderr


def test_what_happens_on_a_worker_is_evidence(cluster: Cluster) -> None:
    worker = cluster.nodes[2]
    before = cluster.call("barrier")["seq"]

    cluster.run(["touch", "/etc/kubernetes/manifests/seen"], node=worker)

    barrier = cluster.call("barrier")
    records = cluster.call("evidence", since=before)["records"]
    files = [(record["node"], record["path"]) for record in records if record["source"] == "file"]
    assert barrier["silent"] == []
    assert files == [(worker, "/etc/kubernetes/manifests/seen")]


def test_a_resumed_cluster_has_all_its_nodes(cluster: Cluster) -> None:
    launch.stop(cluster.directory)

    again = Cluster.up(cluster.name)

    assert again == cluster
    assert [node["metadata"]["name"] for node in _get(again, "nodes")["items"]] == list(cluster.nodes)


def test_a_cluster_has_no_less_than_no_workers() -> None:
    with pytest.raises(UsageError, match="0 to 9 workers, not -1"):
        Cluster.up("never", workers=-1)
