"""What is taught about static pods, on every backend, engine and control plane, by the node's own tools."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

if TYPE_CHECKING:
    from labs.cluster import Cluster

NOTEBOOK = Path(__file__).parents[1] / "course/source/lab-03-the-mirror/the-mirror.ipynb"
MANIFESTS = "/etc/kubernetes/manifests"
POD = """apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: {image}
    command: ["sh", "-c", "exec sleep 100000"]
"""
pytestmark = pytest.mark.long

#: An upper bound that no machine should need; what is waited for is said when it is over.
PATIENCE = 200.0


@pytest.fixture(scope="module")
def cluster(each_backend: Cluster) -> Cluster:
    return each_backend


def sh(cluster: Cluster, script: str) -> str:
    return cluster.run(["bash", "-c", script]).stdout.strip()


def eventually(cluster: Cluster, script: str, wanted: Callable[[str], object], what: str) -> str:
    """The output of `script` on the node as soon as it is as wanted."""
    deadline = time.monotonic() + PATIENCE
    while not wanted(seen := sh(cluster, script)):
        assert time.monotonic() < deadline, f"{what}: still {seen!r}"
        time.sleep(0.1)
    return seen


def write(cluster: Cluster, name: str, image: str = "busybox:1.36") -> None:
    """Put a manifest in place at once, as an editor does."""
    script = f"cat > {MANIFESTS}/.{name} && mv {MANIFESTS}/.{name} {MANIFESTS}/{name}.yaml"
    text = POD.format(name=name, image=image)
    assert cluster.run(["sh", "-c", script], input=text).returncode == 0


def mirror(cluster: Cluster, name: str, field: str) -> str:
    """How kubectl is asked for a field of the mirror pod `name`; nothing while there is none."""
    return f"kubectl get pod {name}-{cluster.nodes[0]} -o jsonpath='{{{field}}}' --ignore-not-found"


def containers(name: str) -> str:
    """How crictl is asked for the running containers of the static pod `name`."""
    return f"crictl pods -q --name '^{name}-' | xargs -r -n1 crictl ps -q --no-trunc -p"


def test_a_manifest_becomes_a_running_pod_and_goes_with_its_file(cluster: Cluster) -> None:
    write(cluster, "life")

    eventually(cluster, mirror(cluster, "life", ".status.phase"), "Running".__eq__, "the mirror's phase")
    assert len(sh(cluster, containers("life")).split()) == 1

    sh(cluster, f"rm {MANIFESTS}/life.yaml")

    eventually(cluster, mirror(cluster, "life", ".metadata.name"), "".__eq__, "the mirror")
    eventually(cluster, containers("life"), "".__eq__, "the containers")


def test_a_deleted_mirror_returns_and_an_edited_manifest_replaces_the_container(cluster: Cluster) -> None:
    write(cluster, "edit")
    eventually(cluster, mirror(cluster, "edit", ".status.phase"), "Running".__eq__, "the mirror's phase")
    uid, container = sh(cluster, mirror(cluster, "edit", ".metadata.uid")), sh(cluster, containers("edit"))

    sh(cluster, f"kubectl delete pod edit-{cluster.nodes[0]}")

    eventually(
        cluster, mirror(cluster, "edit", ".metadata.uid"), lambda u: u and u != uid, "the mirror's UID"
    )
    assert sh(cluster, containers("edit")) == container

    write(cluster, "edit", "busybox:1.37")

    eventually(cluster, containers("edit"), lambda now: now and container not in now, "the containers")
    image = mirror(cluster, "edit", ".spec.containers[0].image")
    eventually(cluster, image, "busybox:1.37".__eq__, "the mirror's image")
    sh(cluster, f"rm {MANIFESTS}/edit.yaml")
    eventually(cluster, containers("edit"), "".__eq__, "the containers")


def test_without_its_api_server_a_node_goes_on_and_the_api_returns_with_its_manifest(
    cluster: Cluster,
) -> None:
    write(cluster, "steady")
    eventually(cluster, mirror(cluster, "steady", ".status.phase"), "Running".__eq__, "the mirror's phase")
    container = sh(cluster, containers("steady"))

    sh(cluster, f"mv {MANIFESTS}/kube-apiserver.yaml /root/")
    eventually(cluster, "crictl ps -q --name kube-apiserver", "".__eq__, "the API server's container")
    refused = cluster.run(["kubectl", "get", "nodes"])
    write(cluster, "offline")
    eventually(cluster, containers("offline"), bool, "a pod without an API server")

    assert refused.returncode == 1
    assert "was refused - did you specify the right host or port?" in refused.stderr
    assert sh(cluster, containers("steady")) == container

    sh(cluster, f"mv /root/kube-apiserver.yaml {MANIFESTS}/")
    eventually(cluster, "kubectl get --raw /readyz", "ok".__eq__, "the API server")
    assert sh(cluster, containers("steady")) == container
    sh(cluster, f"rm {MANIFESTS}/steady.yaml {MANIFESTS}/offline.yaml")
    eventually(cluster, f"{containers('steady')}; {containers('offline')}", "".__eq__, "the containers")


def test_the_first_graded_notebook_earns_full_points(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CKS_LABS_CLUSTER", cluster.name)
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3").execute()

    checks = [
        cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith("check(")
    ]
    verdicts = [cell.outputs[-1].data["text/plain"].splitlines()[0] for cell in checks]
    assert verdicts == ["delete-mirror-pod: 10 / 10 points", "edit-has-no-effect: 10 / 10 points"]
