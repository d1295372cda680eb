"""Static pods with a network of their own, on a real cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from labs.cluster import Cluster

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: nginx:1.27
    ports: [{{containerPort: 80}}]
    command: [sh, -c, "echo this is {name} > /usr/share/nginx/html/index.html; exec nginx -g 'daemon off;'"]
    readinessProbe: {{httpGet: {{port: 80}}, periodSeconds: 1}}
"""
#: A page by bash alone: a node has no curl on every machine.
FETCH = r"exec 3<>/dev/tcp/$0/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; tail -n 1 <&3"
NAMES = ("left", "right")


@pytest.fixture
def addresses(shared_cluster: Cluster) -> Iterator[list[str]]:
    """Two pods that serve on port 80, Ready; where."""
    for name in NAMES:
        script = f"cd /etc/kubernetes && cat > .{name} && mv .{name} manifests/{name}.yaml"
        shared_cluster.run(["sh", "-c", script], input=MANIFEST.format(name=name)).check_returncode()
    try:
        yield [ready(shared_cluster, name) for name in NAMES]
    finally:
        shared_cluster.run(
            ["sh", "-c", "rm /etc/kubernetes/manifests/left.yaml /etc/kubernetes/manifests/right.yaml"]
        )
        gone = [f"pod/{name}-{shared_cluster.nodes[0]}" for name in NAMES]
        shared_cluster.run(["kubectl", "wait", "--for=delete", *gone, "--timeout=60s"])


def ready(cluster: Cluster, name: str) -> str:
    """The address of the pod once it is Ready."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = ["kubectl", "get", "pod", f"{name}-{cluster.nodes[0]}", "-o", "json", "--ignore-not-found"]
        status = json.loads(cluster.run(asked).stdout or "{}").get("status", {})
        if any(each.get("ready") for each in status.get("containerStatuses", ())):
            return str(status["podIP"])
        time.sleep(0.2)
    raise TimeoutError(f"{name} is not Ready")


def listeners(tables: str) -> list[str]:
    """What `ss -tln` shows of /proc/net/tcp and tcp6: the local addresses of port 80."""
    rows = [line.split() for line in tables.splitlines()]
    return [row[1] for row in rows if len(row) > 3 and row[3] == "0A" and row[1].endswith(":0050")]


def on_this_machine() -> list[str]:
    return listeners("".join(Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6")))


@pytest.fixture
def others() -> list[str]:
    """Who listened on port 80 of this machine before."""
    return on_this_machine()


def test_two_pods_bind_port_80_reach_each_other_and_are_reached_from_the_node(
    shared_cluster: Cluster, addresses: list[str]
) -> None:
    from_the_node = [shared_cluster.run(["bash", "-c", FETCH, address]).stdout for address in addresses]
    left = shared_cluster.run(
        ["crictl", "ps", "-q", "--label", f"io.kubernetes.pod.name=left-{shared_cluster.nodes[0]}"]
    )
    from_left = shared_cluster.run(["crictl", "exec", left.stdout.strip(), "bash", "-c", FETCH, addresses[1]])

    assert len(set(addresses)) == 2
    assert from_the_node == ["this is left\n", "this is right\n"]
    assert from_left.stdout == "this is right\n"


def test_neither_the_host_nor_the_node_shows_two_pods_on_port_80(
    others: list[str], shared_cluster: Cluster, addresses: list[str]
) -> None:
    node = shared_cluster.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"]).stdout

    assert on_this_machine() == others
    assert listeners(node) == []
