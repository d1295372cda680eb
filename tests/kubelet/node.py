"""A node for tests: a directory as its file system, a runtime and an API in memory, and the real kubelet."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cri_api.v1 import api_pb2 as api

from labs.core.defaults import default_pod
from labs.kubelet.config import KubeletConfig
from labs.kubelet.hostfs import HostFs
from labs.kubelet.kubelet import Kubelet, Surroundings
from tests.kubelet.memory_api import MemoryApi
from tests.kubelet.memory_runtime import MemoryRuntime

START = datetime(2026, 11, 23, 17, 55, 13, tzinfo=UTC)
MANIFESTS = "/etc/kubernetes/manifests"


def clock() -> datetime:
    """Wall time that goes with the loop's."""
    return START + timedelta(seconds=asyncio.get_running_loop().time())


def manifest(name: str = "web", **spec: Any) -> dict[str, Any]:
    """A small static pod; keywords are fields of its spec, `container` fields of its container."""
    container = {
        "name": "main",
        "image": "busybox:1.36",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "100000"],
        **spec.pop("container", {}),
    }
    metadata = {"name": name, "labels": {"app": name}, **spec.pop("metadata", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


def api_pod(name: str = "web", **spec: Any) -> dict[str, Any]:
    """A small pod as the API has it, bound to the node; keywords as of `manifest`."""
    pod = manifest(name, **spec)
    default_pod(pod)
    pod["metadata"]["namespace"] = "default"
    pod["spec"] |= {"nodeName": "node-1", "priority": pod["spec"].get("priority", 0)}
    return pod


class Node:
    """One node, whose kubelet can be started and stopped."""

    def __init__(self, root: Path, *, events: bool = True, api: bool = True) -> None:
        self.root = root
        self.name = "node-1"
        self.runtime = MemoryRuntime(clock, events)
        self.api = MemoryApi(clock)
        self._with_api = api
        self.kubelet: Kubelet | None = None
        self._task: asyncio.Task[None] | None = None
        self._temporary = itertools.count()
        for folder in (MANIFESTS, "/var/lib/kubelet", "/var/log/pods", "/tmp"):
            (root / folder[1:]).mkdir(parents=True)
        (root / "etc/hosts").write_text("127.0.0.1\tlocalhost\n")
        (root / "etc/resolv.conf").touch()

    async def start(self, **settings: Any) -> None:
        """Start a kubelet."""
        config = KubeletConfig(
            static_pod_path=MANIFESTS, node_ip="172.18.0.2", cluster_domain="cluster.local", **settings
        )
        fs: Any = HostFs(str(self.root))
        client: Any = self.api if self._with_api else None
        cri: Any = self.runtime
        given = Surroundings(config, fs, cri, client, self.name, clock)
        version = api.VersionResponse(
            runtime_name="containerd", runtime_version="1.6.20", runtime_api_version="v1"
        )
        self.kubelet = Kubelet(given, version)
        self._task = asyncio.create_task(self.kubelet.run())
        await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Stop the kubelet; containers and API stay."""
        if self._task is not None and self.kubelet is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self.kubelet.close()
        self._task = self.kubelet = None

    def path(self, name: str) -> Path:
        return self.root / MANIFESTS[1:] / name

    def put(self, name: str, content: dict[str, Any] | str) -> None:
        """Write a manifest in one step, by a rename from outside the directory."""
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        outside = self.root / "tmp" / str(next(self._temporary))
        outside.write_text(text)
        outside.rename(self.path(name))

    def remove(self, name: str) -> None:
        self.path(name).unlink()

    async def until(self, what: Callable[[], Any], limit: float = 120.0) -> float:
        """Wait on the loop's time for `what()` to be true; the seconds it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not what():
            assert loop.time() - began < limit, f"still not after {limit} s"
            await asyncio.sleep(0.02)
        return loop.time() - began

    def running(self, pod: str = "web") -> list[api.ContainerStatus]:
        """The running containers of a static pod."""
        return self.runtime.of_pod(f"{pod}-{self.name}", running=True)

    def mirror(self, pod: str = "web", namespace: str = "default") -> dict[str, Any] | None:
        return self.api.pod(f"{pod}-{self.name}", namespace)

    def status(self, pod: str = "web") -> dict[str, Any]:
        """The first container's status on the mirror."""
        statuses = ((self.mirror(pod) or {}).get("status") or {}).get("containerStatuses") or [{}]
        return dict(statuses[0])

    def waiting_reasons(self, pod: str = "web") -> list[str]:
        """Why the first container waited, in the order the API was told."""
        path = f"/api/v1/namespaces/default/pods/{pod}-{self.name}/status"
        sent = [
            body["status"] for method, where, body in self.api.requests if (method, where) == ("PATCH", path)
        ]
        states = [s["containerStatuses"][0]["state"] for s in sent if "containerStatuses" in s]
        return [state["waiting"]["reason"] for state in states if "waiting" in state]

    async def runs(self, pod: str = "web") -> api.ContainerStatus:
        """Wait for the container and a running mirror."""
        await self.until(lambda: self.running(pod))
        if self._with_api:
            await self.until(lambda: ((self.mirror(pod) or {}).get("status") or {}).get("phase") == "Running")
        return self.running(pod)[0]


@asynccontextmanager
async def node(
    root: Path, *, events: bool = True, api: bool = True, api_down: bool = False, **settings: Any
) -> AsyncIterator[Node]:
    """A node with a running kubelet."""
    it = Node(root, events=events, api=api)
    it.api.down = api_down
    await it.start(**settings)
    try:
        yield it
    finally:
        await it.stop()
    assert it.api.faults == [], it.api.faults
