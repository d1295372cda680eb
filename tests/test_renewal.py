"""New nodes for old: whatever a student has done, a cluster is again as it was when it was new."""

import json
from collections.abc import Iterator

import pytest

from labs import judge
from labs.cluster import Cluster

from .conftest import booted

RUIN = "systemctl stop kubelet; rm -rf /etc/kubernetes /var/lib/etcd /var/lib/kubelet /root; touch /marked"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with booted(workers=1) as two_nodes:
        yield two_nodes


def _names(cluster: Cluster, *what: str) -> list[str]:
    shown = cluster.run(["kubectl", "get", *what, "-o", "json"])
    assert shown.returncode == 0, shown.stderr
    return sorted(item["metadata"]["name"] for item in json.loads(shown.stdout)["items"])


@pytest.mark.long
def test_ruined_nodes_are_ready_again_with_nothing_left_of_what_was(cluster: Cluster) -> None:
    system = _names(cluster, "pods", "-n", "kube-system")
    assert cluster.run(["kubectl", "create", "configmap", "mine"]).returncode == 0
    for node in cluster.nodes:
        assert cluster.run(["sh", "-c", RUIN], node=node).returncode == 0

    renewed = cluster.renew()

    assert renewed == cluster
    assert _names(cluster, "nodes") == sorted(cluster.nodes)
    assert _names(cluster, "pods", "-n", "kube-system") == system
    assert "mine" not in _names(cluster, "configmaps")
    for node in cluster.nodes:
        assert cluster.run(["ls", "/marked"], node=node).returncode != 0


@pytest.mark.long
def test_the_evidence_goes_on_over_a_renewal(cluster: Cluster) -> None:
    before = cluster.call("barrier")["seq"]

    cluster.renew()

    barrier = cluster.call("barrier")
    records = cluster.call("evidence", since=before)["records"]
    assert barrier["silent"] == []
    assert [record["seq"] for record in records] == list(range(before + 1, before + 1 + len(records)))
    assert [record["event"] for record in records if record["source"] == "lab"] == ["renewed"]


@pytest.mark.long
def test_nothing_of_the_old_nodes_is_kept(cluster: Cluster) -> None:
    cluster.renew()

    assert sorted(path.name for path in (cluster.directory / "nodes").iterdir()) == sorted(cluster.nodes)


@pytest.mark.long
def test_a_command_on_a_node_that_is_renewed_ends(cluster: Cluster) -> None:
    import threading

    outcomes: list[BaseException | int] = []

    def sleep() -> None:
        try:
            outcomes.append(cluster.run(["sleep", "1000"]).returncode)
        except Exception as error:
            outcomes.append(error)

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    while "sleep" not in cluster.run(["ps", "-e", "-o", "args"]).stdout:
        pass
    cluster.renew()
    sleeper.join(60)

    assert len(outcomes) == 1


@pytest.mark.long
def test_an_exercise_starts_where_the_api_server_was_taken_away(cluster: Cluster) -> None:
    cluster.run(["mv", "/etc/kubernetes/manifests/kube-apiserver.yaml", "/root/"])
    gone = ["sh", "-c", "while crictl ps -q --name kube-apiserver | grep -q .; do :; done"]
    assert cluster.run(gone).returncode == 0

    judge.start(cluster, "delete-mirror-pod")

    assert judge.view(cluster, "web")["api"]["pod"] is not None
