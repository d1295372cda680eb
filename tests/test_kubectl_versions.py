"""The everyday commands of the usual path, with each kubectl that may meet an API server of 1.36."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labs.runtime.images.build import static_busybox

if TYPE_CHECKING:
    from labs.cluster import Cluster

pytestmark = pytest.mark.long

ENVIRONMENT = Path(sys.executable).parent
#: What `make setup` installs, and what `make test-long` puts beside it (tests/kubectl-1.36.txt).
BINARIES = {
    "1.37": ENVIRONMENT / "kubectl",
    "1.36": ENVIRONMENT.parent / "kubectl-1.36/bin/kubectl",
}
#: Says something every second, and stops when it is asked to.
STEADY = 'trap "exit 0" TERM; n=0; while :; do n=$((n + 1)); echo line $n; sleep 1 & wait; done'
PATIENCE = "--timeout=120s"
DAEMON_SET = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "agent"},
    "spec": {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "agent", "image": "busybox:1.36", "command": ["sh", "-c", STEADY]}],
            },
        },
    },
}


class Kubectl:
    """A kubectl of one version, on the user's own machine, in a namespace of its own."""

    def __init__(self, cluster: Cluster, version: str) -> None:
        self.cluster = cluster
        self.namespace = f"kubectl-{version.replace('.', '-')}"
        self._command = [
            str(BINARIES[version]),
            "--kubeconfig",
            str(cluster.kubeconfig),
            "-n",
            self.namespace,
        ]

    def __call__(self, *words: str, given: str | None = None, fails: bool = False) -> str:
        """What it prints, when it ends as it should."""
        done = subprocess.run(
            [*self._command, *words], input=given, capture_output=True, text=True, timeout=200, check=False
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout.strip()

    @contextmanager
    def running(self, *words: str) -> Iterator[Iterator[str]]:
        """The lines it prints while it runs."""
        with subprocess.Popen([*self._command, *words], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield iter(process.stdout)
            finally:
                process.kill()


@pytest.fixture(scope="module", params=["1.37", "1.36"])
def kubectl(request: pytest.FixtureRequest, shared_cluster: Cluster) -> Iterator[Kubectl]:
    version: str = request.param
    if not BINARIES[version].exists():
        pytest.skip(f"no {BINARIES[version]}: make test-long puts it there")
    it = Kubectl(shared_cluster, version)
    assert f"Client Version: v{version}." in it("version")
    it("create", "namespace", it.namespace)
    yield it
    it("delete", "namespace", it.namespace, "--wait=false")


@pytest.fixture(scope="module")
def web(kubectl: Kubectl) -> str:
    """A Deployment that is up."""
    kubectl("create", "deployment", "web", "--image=busybox:1.36", "--replicas=2", "--", "sh", "-c", STEADY)
    kubectl("rollout", "status", "deployment/web", PATIENCE)
    return "deployment/web"


def test_a_deployment_is_rolled_out_back_and_scaled(kubectl: Kubectl, web: str) -> None:
    kubectl("set", "env", web, "COLOUR=red")
    assert kubectl("rollout", "status", web, PATIENCE).endswith('deployment "web" successfully rolled out')
    assert kubectl("rollout", "history", web).splitlines()[-1].split() == ["2", "<none>"]

    assert kubectl("rollout", "undo", web) == "deployment.apps/web rolled back"
    kubectl("rollout", "status", web, PATIENCE)
    assert kubectl("get", web, "-o", "jsonpath={.spec.template.spec.containers[0].env}") == ""

    assert kubectl("scale", web, "--replicas=1") == "deployment.apps/web scaled"
    kubectl("wait", web, "--for=jsonpath={.status.replicas}=1", PATIENCE)


def test_a_daemon_set_runs_on_the_node_and_is_restarted(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", given=json.dumps(DAEMON_SET)) == "daemonset.apps/agent created"
    kubectl("rollout", "status", "daemonset/agent", PATIENCE)

    kubectl("rollout", "restart", "daemonset/agent")

    assert "successfully rolled out" in kubectl("rollout", "status", "daemonset/agent", PATIENCE)


def test_a_job_is_done_and_its_log_is_there(kubectl: Kubectl) -> None:
    kubectl("create", "job", "once", "--image=busybox:1.36", "--", "echo", "done")

    assert kubectl("wait", "job/once", "--for=condition=complete", PATIENCE) == "job.batch/once condition met"
    assert kubectl("logs", "job/once") == "done"


def test_a_drained_node_loses_its_pods_until_it_is_uncordoned(kubectl: Kubectl, web: str) -> None:
    node = kubectl.cluster.nodes[0]
    try:
        drained = kubectl("drain", node, "--ignore-daemonsets", "--pod-selector=app=web", PATIENCE)
        assert f"node/{node} cordoned" in drained
        assert re.search(r"^pod/web-\S+ evicted$", drained, re.MULTILINE)
        assert drained.endswith(f"node/{node} drained")
    finally:
        assert kubectl("uncordon", node) == f"node/{node} uncordoned"

    kubectl("rollout", "status", web, PATIENCE)


def test_commands_run_in_a_pod_with_their_input_and_their_status(kubectl: Kubectl, web: str) -> None:
    assert kubectl("exec", web, "--", "echo", "hello") == "hello"
    assert kubectl("exec", "-i", web, "--", "cat", given="sent in") == "sent in"
    kubectl("exec", web, "--", "sh", "-c", "exit 3", fails=True)


def test_a_log_is_followed(kubectl: Kubectl, web: str) -> None:
    with kubectl.running("logs", "-f", web) as lines:
        first = int(next(lines).split()[1])

        assert [next(lines) for _ in range(2)] == [f"line {first + 1}\n", f"line {first + 2}\n"]


@pytest.mark.skipif(static_busybox() is None, reason="the images have no httpd without busybox-static")
def test_a_port_is_forwarded(kubectl: Kubectl) -> None:
    kubectl("run", "page", "--image=nginx", "--port=80")
    kubectl("wait", "pod/page", "--for=condition=Ready", PATIENCE)

    with kubectl.running("port-forward", "pod/page", ":80") as lines:
        match = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> 80", next(lines))
        assert match is not None
        connection = HTTPConnection("127.0.0.1", int(match[1]), timeout=30)
        connection.request("GET", "/")
        status = connection.getresponse().status
        connection.close()

    assert status == 200


def test_fields_are_explained_and_rights_are_told(kubectl: Kubectl) -> None:
    explained = kubectl("explain", "deployment.spec.replicas").splitlines()
    assert [line.split() for line in explained[:2]] == [["GROUP:", "apps"], ["KIND:", "Deployment"]]
    assert "FIELD: replicas <integer>" in explained

    assert kubectl("auth", "can-i", "create", "deployments") == "yes"
    assert kubectl("auth", "can-i", "create", "deployments", "--as=nobody", fails=True) == "no"
