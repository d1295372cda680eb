"""What only shows when one waits, or does a thing again and again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import booted

if TYPE_CHECKING:
    from labs.cluster import Cluster

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

MANIFEST = """apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "busybox:1.36", command: [sleep, "100000"]}]
"""


def mirror(cluster: Cluster) -> dict[str, Any] | None:
    found = cluster.run(
        ["kubectl", "get", "pod", f"web-{cluster.nodes[0]}", "-o", "json", "--ignore-not-found"]
    )
    return json.loads(found.stdout) if found.stdout else None


def seconds_until(condition: Callable[[], object], limit: float) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < limit, f"not within {limit} s"
        time.sleep(0.2)  # between two questions to a real API; nothing is assumed to have happened by then
    return time.monotonic() - started


def is_running(cluster: Cluster) -> bool:
    pod = mirror(cluster)
    return pod is not None and pod["status"].get("phase") == "Running"


def test_fact_44_a_forcibly_deleted_mirror_is_missed_only_at_the_next_sync(fresh_cluster: Cluster) -> None:
    script = "cat > /etc/kubernetes/.web && mv /etc/kubernetes/.web /etc/kubernetes/manifests/web.yaml"
    fresh_cluster.run(["sh", "-c", script], input=MANIFEST).check_returncode()
    seconds_until(lambda: is_running(fresh_cluster), 30)
    before = mirror(fresh_cluster)
    assert before is not None

    command = ["kubectl", "delete", "pod", before["metadata"]["name"], "--force", "--grace-period=0"]
    fresh_cluster.run(command).check_returncode()
    gone_at_first = mirror(fresh_cluster) is None
    seconds_until(lambda: is_running(fresh_cluster), 120)

    after = mirror(fresh_cluster)
    assert after is not None
    assert gone_at_first
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert (
        after["status"]["containerStatuses"][0]["containerID"]
        == before["status"]["containerStatuses"][0]["containerID"]
    )


def processes_mentioning(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if text.encode() in command:
                found.append(int(entry.name))
    return found


def test_twenty_clusters_one_after_the_other_leave_nothing_behind(state_home: str) -> None:
    for _ in range(20):
        with booted() as cluster:
            assert cluster.run(["kubectl", "get", "nodes"]).returncode == 0

    assert list((Path(state_home) / "cks-labs" / "clusters").iterdir()) == []
    assert processes_mentioning(state_home) == []
    assert state_home not in Path("/proc/self/mountinfo").read_text()
