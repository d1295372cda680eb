"""A node of a running cluster, seen without a shell in between.

Files are written through `/proc/PID/root`, the API is watched, and the runtime is asked over CRI every
5 ms while something is waited for: the method by which the figures of the real kubelet were recorded.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as cri
from cri_api.v1.api_pb2_grpc import RuntimeServiceStub

from labs.cluster import Cluster
from labs.nodes.kind import daemon
from labs.nodes.readiness import Api
from labs.nodes.spec import KIND
from tests.bench.processes import family

POLL_SECONDS = 0.005
PATIENCE_SECONDS = 180.0
SOCKET = "run/containerd/containerd.sock"


@dataclass(frozen=True)
class Mirror:
    """A pod of the API as the watch last showed it."""

    uid: str
    phase: str
    deleted: bool
    labels: dict[str, str]


class Node:
    """The first node of a cluster: its manifests, its runtime, its pods in the API."""

    def __init__(self, cluster: Cluster) -> None:
        assert cluster.supervisor_pid is not None
        self.cluster = cluster
        self.name = cluster.nodes[0]
        self.supervisor = cluster.supervisor_pid
        self.embedded = cluster.backend != KIND
        self.process_1 = _process_1(self.supervisor) if self.embedded else _container(self.name)
        self.root = Path(f"/proc/{self.process_1}/root")
        self.manifests = self.root / "etc/kubernetes/manifests"
        self._channel = grpc.insecure_channel(f"unix:{self.root / SOCKET}")
        self.runtime = RuntimeServiceStub(self._channel)
        self._api = Api.from_kubeconfig(cluster.kubeconfig)
        self._seen: dict[str, Mirror] = {}
        self._news = threading.Condition()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        self._channel.close()

    def put(self, name: str, manifest: str) -> float:
        """Move a manifest into the directory; the moment of that, in seconds since 1970."""
        draft = self.root / f"etc/kubernetes/.put-{name}"
        draft.write_text(manifest)
        moment = time.time()
        draft.rename(self.manifests / f"{name}.yaml")
        return moment

    def remove(self, name: str) -> float:
        moment = time.time()
        (self.manifests / f"{name}.yaml").unlink()
        return moment

    def running(self, pod: str) -> list[str]:
        """The ids of the running containers of the static pod `pod`."""
        label = {"io.kubernetes.pod.name": f"{pod}-{self.name}"}
        wanted = cri.ListContainersRequest(filter=cri.ContainerFilter(label_selector=label))
        containers = self.runtime.ListContainers(wanted).containers
        return [each.id for each in containers if each.state == cri.CONTAINER_RUNNING]

    def count_running(self, prefix: str) -> int:
        """How many containers run in pods whose name begins with `prefix`."""
        return sum(
            each.state == cri.CONTAINER_RUNNING and each.labels["io.kubernetes.pod.name"].startswith(prefix)
            for each in self.runtime.ListContainers(cri.ListContainersRequest()).containers
        )

    def when(self, what: str, is_so: Callable[[], Any], every: float = POLL_SECONDS) -> float:
        """Ask the runtime until `is_so`; the moment."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > end:
                raise SystemExit(f"bench: no {what} within {PATIENCE_SECONDS:.0f} s")
            time.sleep(every)
        return time.time()

    def mirror(self, pod: str) -> Mirror | None:
        """The mirror of the static pod `pod`, also after its end."""
        return self._seen.get(f"{pod}-{self.name}")

    def mirrors(self) -> dict[str, Mirror]:
        """All that are there, by name."""
        with self._news:
            return {name: mirror for name, mirror in self._seen.items() if not mirror.deleted}

    def when_mirrored(self, what: str, is_so: Callable[[], Any]) -> float:
        """Wait until what the watch has shown makes `is_so` true; the moment."""
        with self._news:
            if not self._news.wait_for(is_so, PATIENCE_SECONDS):
                raise SystemExit(f"bench: no {what} within {PATIENCE_SECONDS:.0f} s")
        return time.time()

    def delete_mirror(self, pod: str) -> float:
        """Delete a mirror gracefully, as kubectl does; the moment before."""
        path, moment = f"/api/v1/namespaces/default/pods/{pod}-{self.name}", time.time()
        with closing(self._connect()) as connection:
            self._ask(connection, "DELETE", path, '{"gracePeriodSeconds":30}').read()
        return moment

    def _connect(self) -> HTTPSConnection:
        return HTTPSConnection(self._api.host, self._api.port, context=self._api.context, timeout=3600)

    @staticmethod
    def _ask(connection: HTTPSConnection, method: str, path: str, body: str | None = None) -> HTTPResponse:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return connection.getresponse()

    def _watch(self) -> None:
        # when the API server goes so do we: whoever still waits for something is told what did not come
        with suppress(OSError, HTTPException), closing(self._connect()) as connection:
            for line in self._ask(connection, "GET", "/api/v1/namespaces/default/pods?watch=1"):
                event: dict[str, Any] = json.loads(line)
                pod = event["object"]
                metadata, phase = pod["metadata"], pod.get("status", {}).get("phase", "")
                shown = Mirror(metadata["uid"], phase, event["type"] == "DELETED", metadata.get("labels", {}))
                with self._news:
                    self._seen[metadata["name"]] = shown
                    self._news.notify_all()


def _container(node: str) -> int:
    """The first process of a node that is a container of Docker's."""
    return int(daemon.connect().containers.get(node).attrs["State"]["Pid"])


def _process_1(supervisor: int) -> int:
    """The first process of an embedded node: the nearest one to the supervisor that runs labs.nodes.init."""
    for pid in family(supervisor):
        argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if not argv[0].endswith("bwrap") and any(each.endswith("labs/nodes/init") for each in argv):
            return pid
    raise SystemExit("bench: the cluster has no node")
