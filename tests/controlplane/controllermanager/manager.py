"""The bundled controller manager as a process, and a node whose kubelet does what it is told at once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...ports import free_port
from ..plane import Plane

Object = dict[str, Any]
#: What a test's pod template may say about how its pods end: the phase they reach.
OUTCOME = "tests/outcome"
PATIENCE = 120.0


def until(holds: Callable[[], bool]) -> None:
    """Ask again and again until it holds; a loaded machine may take its time."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.05)


class Manager:
    """One controller manager beside a control plane."""

    def __init__(self, plane: Plane, name: str = "manager") -> None:
        self.plane = plane
        self.log = plane.folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **flags: str) -> None:
        """Start it with kubeadm's flags, changed as told; does not wait."""
        plane = self.plane
        given = {
            "allocate-node-cidrs": "true",
            "cluster-cidr": "10.244.0.0/16",
            "controllers": "*",
            "kubeconfig": str(plane.kubeconfig("super-admin")),
            "leader-elect": "false",
            "node-monitor-grace-period": "1h",
            "root-ca-file": f"{plane.pki}/ca.crt",
            "secure-port": str(free_port()),
            "service-account-private-key-file": f"{plane.pki}/sa.key",
            "service-cluster-ip-range": "10.96.0.0/16",
        } | {name.replace("_", "-"): value for name, value in flags.items()}
        command = [sys.executable, "-m", "labs.controlplane.controllermanager"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in given.items())], stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int | None:
        """End it; its exit status, None when it has not been started."""
        if self._process is None:
            return None
        self._process.terminate()
        return self._process.wait(10)

    def says(self, text: str) -> bool:
        """Whether a line of its log has this text."""
        return text in self.log.read_text()


class StandInNode:
    """Binds pods to nodes and reports them running and ready, ended or gone, as their templates want it.

    Stands in for scheduler and kubelet, so that what is tested is what the controllers decide.
    """

    PERIOD = 0.1

    def __init__(self, plane: Plane, names: list[str]) -> None:
        self._plane = plane
        self._names = names
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.addresses = (f"10.244.{i // 250}.{i % 250 + 1}" for i in range(10_000))
        #: Pods stay pending while this is set.
        self.stuck = threading.Event()

    def __enter__(self) -> StandInNode:
        for name in self._names:
            self.register(name)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def register(self, name: str) -> None:
        """Make the Node object, ready."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "ok",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        node = {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"conditions": [ready]},
        }
        status, answer = self._plane.request("POST", "/api/v1/nodes", node)
        assert status in (201, 409), answer

    def _run(self) -> None:
        while not self._stop.wait(self.PERIOD):
            _, pods = self._plane.request("GET", "/api/v1/pods")
            for pod in pods.get("items", []):
                if not self.stuck.is_set():
                    self._step(pod)

    def _step(self, pod: Object) -> None:
        metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if "deletionTimestamp" in metadata:
            if metadata.get("deletionGracePeriodSeconds"):
                self._plane.request("DELETE", path, {"gracePeriodSeconds": 0})
        elif not spec.get("nodeName"):
            target = {"kind": "Node", "name": self._choose(spec)}
            body = {"metadata": {"name": metadata["name"]}, "target": target}
            self._plane.request("POST", f"{path}/binding", body)
        elif status.get("phase") == "Pending" and spec["nodeName"] in self._names:
            self._report(path, (metadata.get("annotations") or {}).get(OUTCOME, "Running"))

    def _choose(self, spec: Object) -> str:
        affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
        for term in required.get("nodeSelectorTerms") or []:
            for expression in term.get("matchFields") or []:
                return str(expression["values"][0])
        return self._names[0]

    def _report(self, path: str, phase: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {
            "type": "Ready",
            "status": "True" if phase == "Running" else "False",
            "lastTransitionTime": now,
        }
        address = next(self.addresses)
        status: Object = {
            "phase": phase,
            "conditions": [ready],
            "podIP": address,
            "podIPs": [{"ip": address}],
        }
        self._plane.request(
            "PATCH", f"{path}/status", {"status": status},
            headers={"Content-Type": "application/strategic-merge-patch+json"},
        )  # fmt: skip


@contextmanager
def managed(folder: Path, nodes: list[str], **flags: str) -> Iterator[tuple[Plane, Manager, StandInNode]]:
    """A control plane with its controllers and nodes."""
    plane = Plane(folder)
    plane.start_etcd()
    manager = Manager(plane)
    try:
        plane.start()
        manager.start(**flags)
        with StandInNode(plane, nodes) as node:
            yield plane, manager, node
    finally:
        manager.stop()
        plane.stop()
