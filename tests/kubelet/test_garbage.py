"""What is collected of pods that are gone, and what is not."""

import asyncio
from pathlib import Path

from cri_api.v1 import api_pb2 as api

from labs.kubelet.cgroups import Cgroups
from labs.kubelet.events import EventRecorder
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
    volumes = Volumes(fs, "/var/lib/kubelet", "", lambda: START, {})
    logs, cgroups = ContainerLogs(fs, "/var/log/pods"), Cgroups(fs, "/", "cgroupfs")
    events = EventRecorder("node-1", lambda: START)

    asyncio.run(GarbageCollector(_Slow(tmp_path, live), volumes, logs, cgroups, events).collect(lambda: live))

    assert [path.name for path in (tmp_path / "var/lib/kubelet/pods").iterdir()] == ["new"]
    assert [path.name for path in (tmp_path / "var/log/pods").iterdir()] == ["default_web_new"]


def test_a_container_that_was_made_and_never_started_goes_with_its_pod(tmp_path: Path) -> None:
    runtime = MemoryRuntime(lambda: START)
    fs = HostFs(str(tmp_path))
    volumes = Volumes(fs, "/var/lib/kubelet", "", lambda: START, {})
    logs, cgroups = ContainerLogs(fs, "/var/log/pods"), Cgroups(fs, "/", "cgroupfs")
    events = EventRecorder("node-1", lambda: START)
    metadata, labels = api.PodSandboxMetadata(name="web", uid="gone"), {"io.kubernetes.pod.uid": "gone"}
    sandbox_config = api.PodSandboxConfig(metadata=metadata, labels=labels)

    async def collected() -> None:
        sandbox = await runtime.run_sandbox(sandbox_config)
        await runtime.create_container(sandbox, api.ContainerConfig(labels=labels), sandbox_config)
        await runtime.stop_sandbox(sandbox)
        await GarbageCollector(runtime, volumes, logs, cgroups, events).collect(set)

    asyncio.run(collected())

    assert (runtime.containers, runtime.sandboxes) == ({}, {})


def test_what_a_pod_still_needs_and_what_is_not_the_kubelets_stays_in_the_runtime(tmp_path: Path) -> None:
    runtime = MemoryRuntime(lambda: START)
    fs = HostFs(str(tmp_path))
    volumes = Volumes(fs, "/var/lib/kubelet", "", lambda: START, {})
    logs, cgroups = ContainerLogs(fs, "/var/log/pods"), Cgroups(fs, "/", "cgroupfs")
    events = EventRecorder("node-1", lambda: START)
    names: dict[str, str] = {}

    async def sandbox(name: str, uid: str | None, *, age: int, ready: bool) -> api.PodSandboxConfig:
        labels = {} if uid is None else {"io.kubernetes.pod.uid": uid}
        config = api.PodSandboxConfig(metadata=api.PodSandboxMetadata(name=name), labels=labels)
        made = await runtime.run_sandbox(config)
        if not ready:
            await runtime.stop_sandbox(made)
        runtime.sandboxes[made].created_at -= age
        names[made] = name
        return config

    async def container(name: str, within: str, config: api.PodSandboxConfig, *, runs: bool) -> None:
        made = await runtime.create_container(
            next(key for key, value in names.items() if value == within),
            api.ContainerConfig(labels=dict(config.labels)),
            config,
        )
        if runs:
            await runtime.start_container(made)
        names[made] = name

    async def collected() -> None:
        await sandbox("the live pod's oldest, over", "live", age=3, ready=False)
        used = await sandbox("the live pod's older, used", "live", age=2, ready=False)
        await sandbox("the live pod's newest, over", "live", age=1, ready=False)
        await container("of the live pod, over", "the live pod's older, used", used, runs=False)
        gone = await sandbox("the gone pod's, ready", "gone", age=1, ready=True)
        await container("of the gone pod, runs", "the gone pod's, ready", gone, runs=True)
        await container("of the gone pod, over", "the gone pod's, ready", gone, runs=False)
        await sandbox("the gone pod's, over", "gone", age=2, ready=False)
        await sandbox("the past pod's, over", "past", age=1, ready=False)
        foreign = await sandbox("nobody's, over", None, age=1, ready=False)
        await container("nobody's container", "nobody's, over", foreign, runs=False)
        await GarbageCollector(runtime, volumes, logs, cgroups, events).collect(lambda: {"live"})

    asyncio.run(collected())

    left = {names[key] for key in (*runtime.sandboxes, *runtime.containers)}
    assert set(names.values()) - left == {
        "the live pod's oldest, over",
        "of the gone pod, over",
        "the gone pod's, over",
        "the past pod's, over",
    }
