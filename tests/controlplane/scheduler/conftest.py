"""A scheduler process on a control plane of its own, and nodes that nobody runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ...ports import free_port
from ..plane import Plane, until


class Scheduler:
    """`kube-scheduler`, with the flags of kubeadm's manifest."""

    def __init__(self, plane: Plane, folder: Path) -> None:
        self.plane, self.port, self.log = plane, free_port(), folder / "scheduler.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Start it and do not wait."""
        kubeconfig = self.plane.kubeconfig("scheduler")
        flags = [
            *(f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}"),
            *("--bind-address=127.0.0.1", f"--kubeconfig={kubeconfig}", "--leader-elect=true"),
            *(f"--secure-port={self.port}", *more),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "labs.controlplane.scheduler", *flags], stdout=log, stderr=log
            )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane whose nodes are this module's."""
    plane = Plane(tmp_path_factory.mktemp("plane"))
    plane.start_etcd()
    plane.start()
    # what the controller manager would do
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    plane.request("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    yield plane
    plane.stop()


@pytest.fixture(scope="module")
def scheduler(cluster: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    """A running scheduler."""
    running = Scheduler(cluster, tmp_path_factory.mktemp("scheduler"))
    running.start()
    until(lambda: "Successfully acquired lease" in running.log.read_text())
    yield running
    assert running.stop() == 0, running.log.read_text()


def make_node(plane: Plane, name: str, *, cpu: str = "2", labels: dict[str, str] | None = None) -> None:
    """A node that says it is ready, and that a controller has seen so."""
    resources = {"cpu": cpu, "memory": "4Gi", "pods": "110", "ephemeral-storage": "10Gi"}
    status, created = plane.request(
        "POST",
        "/api/v1/nodes",
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "status": {
                "allocatable": resources,
                "capacity": resources,
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            },
        },
    )
    assert status == 201, created
    # What the node lifecycle controller does of one that is ready
    plane.ok("taint", "node", name, "node.kubernetes.io/not-ready:NoSchedule-")


def get(plane: Plane, name: str, namespace: str = "default") -> dict[str, Any]:
    """A pod."""
    status, pod = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
    assert status == 200, pod
    return dict(pod)


def wait_for_node(plane: Plane, name: str) -> str:
    """Until the pod has a node: its name."""
    until(lambda: bool(get(plane, name)["spec"].get("nodeName")))
    return str(get(plane, name)["spec"]["nodeName"])


def condition(plane: Plane, name: str) -> dict[str, Any]:
    """Until the pod is found unschedulable: its condition PodScheduled."""

    def found() -> list[dict[str, Any]]:
        conditions = (get(plane, name).get("status") or {}).get("conditions") or []
        return [each for each in conditions if each["type"] == "PodScheduled" and each["status"] == "False"]

    until(lambda: bool(found()))
    return found()[0]
