"""The node e2e cases of static and mirror pods, on each backend, by the node's own tools.

Named after upstream's `test/e2e_node/{mirror_pod,mirror_pod_grace_period,static_pod,standalone}_test.go`.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import booted

if TYPE_CHECKING:
    from labs.cluster import Cluster

MANIFESTS = "/etc/kubernetes/manifests"
#: An upper bound that no machine should need; what is waited for is said when it is over.
PATIENCE = 250.0
DEAF = "trap '' TERM; while true; do sleep 0.2; done"
STEADY = "exec sleep 100000"
PROMPT = "trap 'exit 0' TERM; while true; do sleep 0.2; done"

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


NONE: dict[str, Any] = {"spec": {"containers": [{}]}}


class StaticPod:
    """A static pod of one test, and how the node's tools see it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.full_name = f"{name}-{cluster.nodes[0]}"

    def sh(self, script: str, text: str | None = None) -> str:
        return self.cluster.run(["sh", "-c", script], input=text).stdout.strip()

    def write(
        self, command: str = STEADY, *, image: str = "busybox:1.36", grace: int = 1, **spec: Any
    ) -> None:
        """Put the manifest in place at once, as an editor does."""
        container = {
            "name": "main",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", command],
            **spec.pop("container", {}),
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name},
            "spec": {"terminationGracePeriodSeconds": grace, "containers": [container], **spec},
        }
        script = f"cat > {MANIFESTS}/.{self.name} && mv {MANIFESTS}/.{self.name} {MANIFESTS}/{self.name}.yaml"
        self.sh(script, json.dumps(pod))

    def remove(self) -> None:
        self.sh(f"rm -f {MANIFESTS}/{self.name}.yaml")

    def mirror(self) -> dict[str, Any]:
        """The mirror pod; nothing while there is none."""
        shown = self.sh(f"kubectl get pod {self.full_name} -o json --ignore-not-found")
        found: dict[str, Any] = json.loads(shown) if shown else {}
        return found

    def uid(self) -> str:
        return str(self.mirror().get("metadata", {}).get("uid", ""))

    def containers(self, name: str = "main") -> list[dict[str, Any]]:
        """Its running containers of a name, as crictl shows them."""
        label = f"--label io.kubernetes.pod.name={self.full_name}"
        shown = self.sh(f"crictl ps -o json --name '^{name}$' {label}")
        return list(json.loads(shown or "{}").get("containers", []))

    def status(self, kind: str = "containerStatuses") -> dict[str, Any]:
        statuses = self.mirror().get("status", {}).get(kind) or [{}]
        return dict(statuses[0])

    def until(self, wanted: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (seen := wanted()):
            assert time.monotonic() < deadline, f"still not: {what}; {self.status()}"
            time.sleep(0.1)  # between two questions to a real node
        return seen

    def runs(self) -> str:
        """Wait for the container and a running mirror; the container's id."""
        self.until(self.containers, "a container runs")
        self.until(
            lambda: self.mirror().get("status", {}).get("phase") == "Running", "the mirror says Running"
        )
        return str(self.containers()[0]["id"])

    def replaced(self, container: str) -> None:
        """Wait for another container in the place of this one."""
        self.until(lambda: {c["id"] for c in self.containers()} - {container}, "another container")

    def is_ready(self) -> bool:
        conditions = self.mirror().get("status", {}).get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def gone(self) -> bool:
        return not self.containers() and not self.mirror()


@pytest.fixture
def pod(each_backend: Cluster, request: pytest.FixtureRequest) -> Iterator[StaticPod]:
    """A static pod with a name of its own, gone again afterwards."""
    it = StaticPod(each_backend, f"e2e-{zlib.crc32(request.node.name.encode()):x}")
    yield it
    it.remove()
    it.until(it.gone, "the pod is gone")


def test_a_mirror_is_updated_when_the_static_pod_is_updated(pod: StaticPod) -> None:
    pod.write()
    pod.runs()
    before = pod.uid()

    pod.write(image="busybox:1.37")

    pod.until(lambda: pod.uid() not in ("", before), "another mirror")
    pod.runs()
    assert pod.mirror()["spec"]["containers"][0]["image"] == "busybox:1.37"


def test_a_mirror_is_recreated_when_gracefully_deleted(pod: StaticPod) -> None:
    pod.write()
    container, before = pod.runs(), pod.uid()

    pod.sh(f"kubectl delete pod {pod.full_name}")

    pod.until(lambda: pod.uid() not in ("", before), "another mirror")
    assert pod.runs() == container


def test_a_mirror_is_recreated_when_forcibly_deleted(pod: StaticPod) -> None:
    pod.write()
    container, before = pod.runs(), pod.uid()

    pod.sh(f"kubectl delete pod {pod.full_name} --force --grace-period=0")

    pod.until(lambda: pod.uid() not in ("", before), "another mirror")
    assert pod.runs() == container


def test_a_pod_whose_file_is_removed_and_recreated_has_restarted_once_and_stays(pod: StaticPod) -> None:
    pod.write(DEAF, grace=20)
    first = pod.runs()

    pod.remove()
    stopping = (
        f"kubectl get events -o name --field-selector involvedObject.name={pod.full_name},reason=Killing"
    )
    pod.until(lambda: pod.sh(stopping), "the pod is stopping")
    pod.write(DEAF, grace=20)
    pod.replaced(first)
    second = pod.runs()
    pod.until(lambda: pod.status().get("restartCount") == 1, "one restart is counted")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert [c["id"] for c in pod.containers()] == [second]
        time.sleep(1)  # upstream, too, looks for half a minute


@pytest.mark.parametrize("change", ["deadline", "image", "init image"])
def test_the_generation_of_a_mirror_stays_1_when_the_static_pod_is_updated(
    pod: StaticPod, change: str
) -> None:
    init = {"name": "first", "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent", "command": ["true"]}
    pod.write(initContainers=[init])
    pod.runs()
    before = pod.uid()

    if change == "deadline":
        pod.write(initContainers=[init], activeDeadlineSeconds=10000)
    elif change == "image":
        pod.write(initContainers=[init], image="busybox:1.37")
    else:
        pod.write(initContainers=[{**init, "image": "busybox:1.37"}])

    pod.until(lambda: pod.uid() not in ("", before), "another mirror")
    pod.runs()
    assert pod.mirror()["metadata"]["generation"] == 1
    assert "observedGeneration" not in pod.mirror()["status"]


def test_a_static_pod_that_is_deleted_has_its_grace_period(pod: StaticPod) -> None:
    pod.write(DEAF, grace=8)
    container = pod.runs()

    began = time.monotonic()
    pod.remove()
    pod.until(lambda: not pod.containers(), "the container has ended")

    assert time.monotonic() - began >= 7.5
    state = json.loads(pod.sh(f"crictl inspect {container}") or "{}").get("status", {})
    assert state.get("exitCode", 137) == 137


def test_a_static_pod_that_is_updated_has_its_grace_period(pod: StaticPod) -> None:
    pod.write(DEAF, grace=8)
    container = pod.runs()

    began = time.monotonic()
    pod.write(image="busybox:1.37")
    pod.until(lambda: container not in [c["id"] for c in pod.containers()], "the old container has ended")

    assert time.monotonic() - began >= 7.5
    pod.until(
        lambda: pod.mirror() and pod.mirror()["spec"]["containers"][0]["image"] == "busybox:1.37", "update"
    )


def test_of_multiple_updates_during_the_termination_the_last_one_counts(pod: StaticPod) -> None:
    pod.write(DEAF, grace=8)
    container = pod.runs()

    for seconds in (1111, 2222, 3333):
        pod.write(f"exec sleep {seconds}")
    pod.replaced(container)

    last = ["sh", "-c", "exec sleep 3333"]
    pod.until(
        lambda: (pod.mirror() or NONE)["spec"]["containers"][0].get("command") == last,
        "the last one's mirror",
    )
    pod.runs()


def test_a_pod_terminates_although_the_runtime_is_down_meanwhile(pod: StaticPod) -> None:
    pod.write(PROMPT, grace=5)
    pod.runs()

    pod.sh("systemctl stop containerd")
    pod.remove()
    pod.until(
        lambda: "Unavailable" in pod.sh("journalctl -u kubelet --no-pager -n 50"), "the kubelet notices"
    )
    pod.sh("systemctl start containerd")

    pod.until(pod.gone, "the pod is gone")


def test_a_restart_of_the_kubelet_does_not_change_a_containers_status(pod: StaticPod) -> None:
    pod.write()
    container = pod.runs()
    pod.until(pod.is_ready, "the pod is ready")
    before, uid = pod.status(), pod.uid()

    pod.sh("systemctl restart kubelet")
    pod.until(lambda: pod.sh("curl -s http://127.0.0.1:10248/healthz || true") in ("ok", ""), "the kubelet")
    pod.until(pod.is_ready, "the pod is ready")

    assert (pod.status(), pod.uid(), pod.containers()[0]["id"]) == (before, uid, container)


@pytest.mark.parametrize("kind", ["init", "sidecar"])
def test_a_pod_is_ready_after_its_init_container_was_removed_and_the_kubelet_restarted(
    pod: StaticPod, kind: str
) -> None:
    init: dict[str, Any] = {"name": "first", "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent"}
    if kind == "sidecar":
        init |= {"restartPolicy": "Always", "command": ["sh", "-c", STEADY]}
    else:
        init |= {"command": ["true"]}
    pod.write(initContainers=[init])
    container = pod.runs()
    pod.until(pod.is_ready, "the pod is ready")

    label = f"--label io.kubernetes.pod.name={pod.full_name}"
    pod.sh("systemctl stop kubelet")
    pod.sh(f"crictl ps -a -q --name '^first$' {label} | xargs crictl rm -f")
    pod.sh("systemctl start kubelet")

    pod.until(pod.is_ready, "the pod is ready")
    assert pod.containers()[0]["id"] == container
    if kind == "sidecar":
        pod.until(lambda: pod.containers("first"), "the sidecar is back")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({}, id="embedded"),
        pytest.param({"backend": "kind"}, id="kind"),
    ],
)
def standalone(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A node whose kubelet has no API server."""
    with booted(bare=True, **request.param) as cluster:
        yield cluster


@pytest.fixture
def lone(standalone: Cluster, request: pytest.FixtureRequest) -> Iterator[StaticPod]:
    """A pod that no other test had: what ended is forgotten only when the API has been seen."""
    it = StaticPod(standalone, f"lone-{zlib.crc32(request.node.name.encode()):x}")
    yield it
    it.remove()
    it.until(lambda: not it.containers(".*"), "the containers are gone")


def test_standalone_a_static_pod_runs_without_an_api_server(lone: StaticPod) -> None:
    lone.write()

    lone.until(lone.containers, "a container runs")


def test_standalone_a_pod_with_a_host_port_is_upgraded_when_its_containers_name_changes(
    lone: StaticPod,
) -> None:
    ports = [{"containerPort": 8080, "hostPort": 18080}]
    lone.write(container={"name": "one", "ports": ports})
    lone.until(lambda: lone.containers("one"), "the first container runs")

    lone.write(container={"name": "two", "ports": ports})

    lone.until(lambda: lone.containers("two"), "the second container runs")
    assert not lone.containers("one")


def test_standalone_a_restart_of_the_kubelet_does_not_panic(lone: StaticPod) -> None:
    lone.write()
    container = lone.until(lone.containers, "a container runs")[0]["id"]

    starts = "journalctl -u kubelet --no-pager -o cat | grep -c 'Starting kubelet main sync loop'"
    before = int(lone.sh(starts))
    lone.sh("systemctl restart kubelet")
    lone.until(lambda: int(lone.sh(starts)) > before, "the kubelet is back")
    lone.write(image="busybox:1.37")
    lone.replaced(container)

    assert "panic" not in lone.sh("journalctl -u kubelet --no-pager -o cat")
