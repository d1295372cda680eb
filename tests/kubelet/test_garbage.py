"""What is collected of pods that are gone, and what is not."""

import asyncio
from pathlib import Path

from cri_api.v1 import api_pb2 as api

from labs.kubelet.cgroups import Cgroups
from labs.kubelet.garbage import GarbageCollector
from labs.kubelet.hostfs import HostFs
from labs.kubelet.logs import ContainerLogs
from labs.kubelet.volumes import Volumes
from tests.kubelet.memory_runtime import MemoryRuntime
from tests.kubelet.node import START


class _Slow(MemoryRuntime):
    """A runtime during whose answer a pod comes."""

    def __init__(self, root: Path, live: set[str]) -> None:
        super().__init__(lambda: START)
        self._root = root
        self._live = live

    async def list_containers(self, labels: dict[str, str] | None = None) -> list[api.Container]:
        _directories(self._root, "new")
        self._live.add("new")
        return await super().list_containers(labels)


def _directories(root: Path, uid: str) -> None:
    for path in (f"var/lib/kubelet/pods/{uid}/volumes", f"var/log/pods/default_web_{uid}/main"):
        (root / path).mkdir(parents=True, exist_ok=True)


def test_directories_of_pods_that_are_gone_go_and_those_of_pods_that_come_meanwhile_stay(
    tmp_path: Path,
) -> None:
    live: set[str] = set()
    fs = HostFs(str(tmp_path))
    _directories(tmp_path, "old")
    volumes = Volumes(fs, "/var/lib/kubelet", "", lambda: START)
    logs, cgroups = ContainerLogs(fs, "/var/log/pods"), Cgroups(fs, "/", "cgroupfs")

    asyncio.run(GarbageCollector(_Slow(tmp_path, live), volumes, logs, cgroups).collect(lambda: live))

    assert [path.name for path in (tmp_path / "var/lib/kubelet/pods").iterdir()] == ["new"]
    assert [path.name for path in (tmp_path / "var/log/pods").iterdir()] == ["default_web_new"]


def test_a_container_that_was_made_and_never_started_goes_with_its_pod(tmp_path: Path) -> None:
    runtime = MemoryRuntime(lambda: START)
    fs = HostFs(str(tmp_path))
    volumes = Volumes(fs, "/var/lib/kubelet", "", lambda: START)
    logs, cgroups = ContainerLogs(fs, "/var/log/pods"), Cgroups(fs, "/", "cgroupfs")
    metadata, labels = api.PodSandboxMetadata(name="web", uid="gone"), {"io.kubernetes.pod.uid": "gone"}
    sandbox_config = api.PodSandboxConfig(metadata=metadata, labels=labels)

    async def collected() -> None:
        sandbox = await runtime.run_sandbox(sandbox_config)
        await runtime.create_container(sandbox, api.ContainerConfig(labels=labels), sandbox_config)
        await runtime.stop_sandbox(sandbox)
        await GarbageCollector(runtime, volumes, logs, cgroups).collect(set)

    asyncio.run(collected())

    assert (runtime.containers, runtime.sandboxes) == ({}, {})
