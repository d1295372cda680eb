"""Pods that the API binds to a node: made, read, stopped and finished with kubectl on a real cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from labs.cluster import Cluster

NAMESPACE = "usual-path"
#: An upper bound that no machine should need; what is waited for is said when it is over.
PATIENCE = 120.0


class Kubectl:
    """kubectl on the node, in a namespace of the tests' own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def __call__(self, *words: str, input: str | None = None) -> str:
        done = self.cluster.run(["kubectl", "-n", NAMESPACE, *words], input=input)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sh(self, script: str) -> str:
        return self.cluster.run(["bash", "-c", script]).stdout.strip()

    def run(self, name: str, *command: str, container: dict[str, Any] | None = None, **spec: Any) -> None:
        """Make a pod that is bound to the node from the start, as nobody schedules it."""
        main = {"name": "main", "image": "busybox:1.36", "command": list(command), **(container or {})}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"nodeName": self.cluster.nodes[0], "containers": [main], **spec},
        }
        self("apply", "-f", "-", input=json.dumps(pod))

    def eventually(self, wanted: Callable[[str], object], *words: str) -> str:
        """The output of a command as soon as it is as wanted."""
        deadline = time.monotonic() + PATIENCE
        while not wanted(seen := self(*words)):
            assert time.monotonic() < deadline, f"{words}: still {seen!r}"
            time.sleep(0.1)
        return seen

    def shows(self, name: str, *columns: str) -> list[str]:
        """Wait for a row of `get pods`."""
        row = [name, *columns]
        return self.eventually(
            lambda seen: seen.split()[: len(row)] == row, "get", "pod", name, "--no-headers"
        ).split()


@pytest.fixture(scope="module")
def kubectl(shared_cluster: Cluster) -> Iterator[Kubectl]:
    it = Kubectl(shared_cluster)
    it("create", "namespace", NAMESPACE)
    # a cluster without controllers has neither; one with controllers may be quicker
    for words in (
        ("serviceaccount", "default"),
        ("configmap", "kube-root-ca.crt", "--from-literal=ca.crt=x"),
    ):
        shared_cluster.run(["kubectl", "-n", NAMESPACE, "create", *words])
    yield it
    it("delete", "pods", "--all", "--grace-period=1")
    shared_cluster.run(["kubectl", "delete", "namespace", NAMESPACE, "--wait=false"])


def test_a_pod_runs_has_an_address_and_a_log_and_stops_when_asked(kubectl: Kubectl) -> None:
    kubectl.run("steady", "sh", "-c", 'echo hello; trap "exit 0" TERM; sleep 1000 & wait')
    kubectl.shows("steady", "1/1", "Running", "0")

    assert kubectl("logs", "steady") == "hello"
    assert kubectl("get", "pod", "steady", "-o", "jsonpath={.status.podIP}").startswith("10.244.")
    assert kubectl("delete", "pod", "steady") == f'pod "steady" deleted from {NAMESPACE} namespace'
    assert kubectl.sh("crictl pods -q --state ready --name steady") == ""


def test_work_that_is_done_is_completed_and_work_that_failed_an_error(kubectl: Kubectl) -> None:
    kubectl.run("good", "true", restartPolicy="Never")
    kubectl.run("bad", "false", restartPolicy="Never")

    kubectl.shows("good", "0/1", "Completed", "0")
    kubectl.shows("bad", "0/1", "Error", "0")
    assert kubectl("get", "pod", "good", "-o", "jsonpath={.status.phase}") == "Succeeded"
    assert kubectl("get", "pod", "bad", "-o", "jsonpath={.status.phase}") == "Failed"


def test_a_pod_is_given_its_config_map_its_secret_and_its_token(kubectl: Kubectl) -> None:
    reference = {"secretKeyRef": {"name": "word", "key": "word"}}
    mount = {"name": "settings", "mountPath": "/settings"}
    container = {"env": [{"name": "WORD", "valueFrom": reference}], "volumeMounts": [mount]}
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    script = f'echo "$WORD $(cat /settings/colour) $(wc -l < {token}) $(cut -c1-2 {token})"'
    volume = {"name": "settings", "configMap": {"name": "settings"}}
    kubectl.run("given", "sh", "-c", script, container=container, volumes=[volume], restartPolicy="Never")
    waiting = '{.items[?(@.reason=="FailedMount")].message}'
    missing = 'MountVolume.SetUp failed for volume "settings" : configmap "settings" not found'
    kubectl.eventually(missing.__eq__, "get", "events", "-o", f"jsonpath={waiting}")

    kubectl("create", "configmap", "settings", "--from-literal=colour=red")
    kubectl.shows("given", "0/1", "CreateContainerConfigError")
    kubectl("create", "secret", "generic", "word", "--from-literal=word=hush")

    kubectl.shows("given", "0/1", "Completed", "0")
    assert kubectl("logs", "given") == "hush red 0 ey"


def test_pods_outlive_a_restart_of_the_kubelet(kubectl: Kubectl) -> None:
    kubectl.run("lasting", "sleep", "1000", terminationGracePeriodSeconds=1)
    kubectl.shows("lasting", "1/1", "Running", "0")
    before = kubectl.sh("crictl ps -q --name main")

    kubectl.sh("systemctl restart kubelet")
    kubectl.run("after", "true", restartPolicy="Never")

    kubectl.shows("after", "0/1", "Completed", "0")
    kubectl.shows("lasting", "1/1", "Running", "0")
    assert before
    assert kubectl.sh("crictl ps -q --name main") == before


def test_a_pod_that_the_node_does_not_take_has_failed_for_good(kubectl: Kubectl) -> None:
    kubectl.run("big", "true", container={"resources": {"requests": {"cpu": "1000"}}})

    kubectl.shows("big", "0/1", "OutOfcpu", "0")
    message = kubectl("get", "pod", "big", "-o", "jsonpath={.status.message}")
    assert message.startswith(
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000000, used:"
    )
