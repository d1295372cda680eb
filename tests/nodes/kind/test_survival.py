"""What a kind cluster survives: the end of its supervisor, of its recorder, and of its container."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from typing import Any

import pytest

from labs.nodes.kind import container
from labs.nodes.layout import Layout

from ..conftest import Start, Supervised

pytestmark = pytest.mark.long

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "busybox:1.36", command: [sleep, "100000"]}]
"""
WRITE = "cat > /etc/kubernetes/manifests/web.yaml"


@pytest.fixture
def cluster(start_kind: Start, request: pytest.FixtureRequest) -> Supervised:
    """A running bare kind cluster, for one test that may do with it what it likes."""
    cluster = start_kind(f"t{os.getpid()}-{abs(hash(request.node.name)) % 10_000}")
    assert cluster.reports[-1].get("ready"), cluster.reports
    return cluster


def evidence(cluster: Supervised) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (cluster.directory / "evidence.jsonl").read_text().splitlines()]


def wait_for(cluster: Supervised, event: str, **fields: Any) -> dict[str, Any]:
    """The first such record, as soon as it is there."""
    for message in cluster.judge.stream("evidence", since=0, follow=True):
        record: dict[str, Any] = message["record"]
        if record.get("event") == event and fields.items() <= record.items():
            return record
    raise AssertionError(f"the supervisor ended without {event}")


def log(cluster: Supervised) -> str:
    return (cluster.directory / "supervisor.log").read_text()


def test_a_static_pod_is_in_the_evidence_from_its_manifest_to_its_end(cluster: Supervised) -> None:
    cluster.student.run(["sh", "-c", WRITE], input=POD)
    started = wait_for(cluster, "ContainerStarted", container="main")
    cluster.sh("rm /etc/kubernetes/manifests/web.yaml")
    wait_for(cluster, "ContainerExited", id=started["id"])
    wait_for(cluster, "SandboxStopped", id=started["sandbox"])
    records = [one["event"] for one in evidence(cluster) if one["source"] in ("file", "runtime")]
    steps = ["SandboxCreated", "ContainerCreated", "ContainerStarted", "removed", "ContainerExited"]

    assert records[0] == "written"
    assert [event for event in records if event in steps] == steps
    assert started["image"] == "docker.io/library/busybox:1.36"
    assert started["pod"]["name"] == f"web-{cluster.node}"


def test_a_barrier_has_everything_written_down(cluster: Supervised) -> None:
    cluster.student.run(["sh", "-c", WRITE], input=POD)
    cluster.sh("logger -t x y; systemd-run -q --wait -u told echo from-a-unit")
    barrier = cluster.judge.call("barrier", timeout=20.0)

    assert barrier["silent"] == []
    assert barrier["api"] == "down"
    assert any(one["source"] == "file" and one["seq"] <= barrier["seq"] for one in evidence(cluster))


def test_a_stopped_runtime_is_a_silent_recorder(cluster: Supervised) -> None:
    cluster.sh("systemctl stop kubelet containerd")

    assert "runtime" in cluster.judge.call("barrier", timeout=5.0)["silent"]

    cluster.sh("systemctl start containerd kubelet")
    wait_for(cluster, "RuntimeStarted")

    assert cluster.judge.call("barrier", timeout=20.0)["silent"] == []


def test_a_killed_supervisor_leaves_the_node_and_a_new_one_loses_and_doubles_nothing(
    cluster: Supervised, start_kind: Start
) -> None:
    cluster.student.run(["sh", "-c", WRITE], input=POD)
    kept = wait_for(cluster, "ContainerStarted", container="main")
    node = cluster.reports[-1]["port"]
    cluster.process.kill()
    cluster.wait()
    resumed = start_kind(cluster.name, cluster.directory)
    resumed.sh("rm /etc/kubernetes/manifests/web.yaml")
    wait_for(resumed, "ContainerExited", id=kept["id"])
    resumed.sh("systemctl restart kubelet")
    resumed.judge.call("barrier", timeout=20.0)
    records = evidence(resumed)
    cursors = Counter(one["cursor"] for one in records if one["source"] == "journal")
    steps = Counter(
        (one["id"], one["event"]) for one in records if one["source"] == "runtime" and "id" in one
    )
    match = ["_SYSTEMD_UNIT=kubelet.service", "+", "UNIT=kubelet.service", "_PID=1"]
    entries = resumed.student.run(["journalctl", "-q", "-o", "cat", "--output-fields=_PID", *match]).stdout

    assert resumed.reports[-1]["port"] == node
    assert set(cursors.values()) == {1}
    assert set(steps.values()) == {1}
    assert len([one for one in records if one.get("unit") == "kubelet.service"]) >= len(entries.splitlines())


def test_a_recorder_that_a_student_ends_is_started_again(cluster: Supervised) -> None:
    cluster.sh("pkill -KILL -f labs.nodes.kind.recorder")
    wait_for(cluster, "ended", source="recorder")
    cluster.student.run(["sh", "-c", WRITE], input=POD)
    wait_for(cluster, "ContainerStarted", container="main")

    assert cluster.judge.call("barrier", timeout=20.0)["silent"] == []


def test_a_container_that_ends_ends_the_supervisor_and_is_started_again(
    cluster: Supervised, start_kind: Start, docker: Any
) -> None:
    cluster.sh("echo kept > /root/note")
    docker.containers.get(cluster.node).kill()

    assert cluster.wait() == 0
    assert f"the container {cluster.node} has ended with status 137" in log(cluster)

    resumed = start_kind(cluster.name, cluster.directory)

    assert resumed.reports[-1].get("ready"), resumed.reports
    assert resumed.sh("cat /root/note").stdout == "kept\n"


def test_a_container_that_was_removed_behind_our_back_is_said_in_one_line(
    cluster: Supervised, start_kind: Start, docker: Any
) -> None:
    docker.containers.get(cluster.node).remove(force=True, v=True)

    assert cluster.wait() == 0

    again = start_kind(cluster.name, cluster.directory)

    assert f"labs down {cluster.name}" in again.reports[-1]["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_of_the_supervisor_is_not_the_nodes(
    cluster: Supervised, docker: Any, number: signal.Signals
) -> None:
    cluster.process.send_signal(number)

    assert cluster.wait() == 0
    assert docker.containers.get(cluster.node).status == "running"
    assert not (cluster.directory / "student.sock").exists()


def test_removing_the_container_leaves_nothing_at_docker(cluster: Supervised, docker: Any) -> None:
    mounts = docker.containers.get(cluster.node).attrs["Mounts"]
    volumes = {mount["Name"] for mount in mounts if mount["Type"] == "volume"}
    cluster.judge.call("down")
    cluster.wait()
    container.remove(Layout(cluster.directory, cluster.name))

    assert docker.containers.list(all=True, filters={"name": cluster.node}, ignore_removed=True) == []
    assert volumes
    assert not volumes & {volume.name for volume in docker.volumes.list()}
