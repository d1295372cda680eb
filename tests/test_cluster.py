"""`Cluster`, what everything above the nodes talks to."""

import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from labs.cluster import Cluster, check_backend
from labs.errors import LabsError, UsageError
from labs.nodes.state import NoSuchClusterError, NotRunningError, cluster_directory, clusters_directory


@pytest.fixture
def no_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "cks-labs/clusters"


def test_a_relative_state_home_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "here")

    assert clusters_directory() == Path.home() / ".local/state/cks-labs/clusters"


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a.b", "a/b", "..", "x" * 50])
def test_a_name_is_a_dns_label_short_enough_for_a_host_name(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a cluster"):
        cluster_directory(name)


def test_the_longest_name_makes_the_longest_host_name() -> None:
    assert len(f"{cluster_directory('x' * 49).name}-control-plane") == 63


def test_what_does_not_exist_cannot_be_found(no_clusters: Path) -> None:
    with pytest.raises(NoSuchClusterError):
        Cluster.find("blue")
    assert Cluster.all() == []


def test_a_directory_that_a_killed_up_left_is_a_stopped_cluster_and_can_be_removed(no_clusters: Path) -> None:
    (no_clusters / "blue").mkdir(parents=True)
    (found,) = Cluster.all()

    assert (found.name, found.nodes, found.running) == ("blue", ("blue-control-plane",), False)
    with pytest.raises(NotRunningError, match="'labs up blue' resumes it"):
        found.run(["true"])
    found.down()
    assert Cluster.all() == []


def test_the_backend_is_as_asked_else_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CKS_LABS_BACKEND", raising=False)
    assert check_backend(None) == "embedded"
    monkeypatch.setenv("CKS_LABS_BACKEND", "vmware")
    assert check_backend("embedded") == "embedded"
    with pytest.raises(UsageError, match="no backend 'vmware'"):
        check_backend(None)


def test_a_found_cluster_equals_the_one_that_was_brought_up(shared_cluster: Cluster) -> None:
    found = Cluster.find(shared_cluster.name)

    assert found == shared_cluster
    assert found.seconds == 0
    assert shared_cluster.seconds > 0
    assert found in Cluster.all()
    assert asdict(found).keys() == asdict(shared_cluster).keys()


def test_run_gives_back_output_and_status_and_passes_input_and_environment(shared_cluster: Cluster) -> None:
    script = "cat; echo $COLOUR; echo oops >&2; exit 3"

    done = shared_cluster.run(["sh", "-c", script], input="in\n", env={"COLOUR": "blue"})

    assert (done.returncode, done.stdout, done.stderr) == (3, "in\nblue\n", "oops\n")


def test_run_gives_up_after_its_timeout(shared_cluster: Cluster) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        shared_cluster.run(["sleep", "1000"], timeout=0.2)


def test_an_unknown_node_is_an_error(shared_cluster: Cluster) -> None:
    with pytest.raises(LabsError, match="no-such-node"):
        shared_cluster.run(["true"], node="no-such-node")


def test_call_reaches_the_supervisor(shared_cluster: Cluster) -> None:
    status = shared_cluster.call("status")

    assert status["name"] == shared_cluster.name
    assert status["nodes"] == list(shared_cluster.nodes)
    assert status["api"] is True


@pytest.mark.long
def test_a_resumed_cluster_has_its_data_and_its_api_objects(boot: Callable[..., Cluster]) -> None:
    from labs.nodes import launch

    cluster = boot()
    assert cluster.run(["kubectl", "create", "configmap", "kept", "--from-literal=a=b"]).returncode == 0
    uids = ["kubectl", "get", "pods", "-n", "kube-system", "-o", "jsonpath={.items[*].metadata.uid}"]
    before = cluster.run(uids).stdout
    launch.stop(cluster.directory)
    assert not cluster.running

    again = Cluster.up(cluster.name)

    assert again.run(["kubectl", "get", "configmap", "kept", "-o", "name"]).stdout == "configmap/kept\n"
    assert again.run(uids).stdout == before
    assert again.kubeconfig.read_text() == cluster.kubeconfig.read_text()


@pytest.mark.long
def test_a_cluster_without_its_control_plane_is_resumed_all_the_same(boot: Callable[..., Cluster]) -> None:
    from labs.nodes import launch

    cluster = boot()
    assert cluster.run(["mv", "/etc/kubernetes/manifests/kube-apiserver.yaml", "/root/"]).returncode == 0
    launch.stop(cluster.directory)

    again = Cluster.up(cluster.name)

    left = again.run(["ls", "/etc/kubernetes/manifests"]).stdout.split()
    assert left == ["etcd.yaml", "kube-controller-manager.yaml", "kube-scheduler.yaml"]
