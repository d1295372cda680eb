"""This node in the API: registered, then kept up to date (`pkg/kubelet/kubelet_node_status.go`).

`NodeFacts` reads the machine once; `node_object` is pure; `NodeStatus` registers and reports.
"""

import asyncio
import os
import platform
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from labs.kubelet import klog
from labs.kubelet.api_client import ApiError
from labs.kubelet.events import NORMAL, EventRecorder, timestamp
from labs.kubelet.hostfs import HostFs

Json = dict[str, Any]
VERSION = "v1.36.2"
#: Of an update of the status (`nodeStatusUpdateRetry`).
ATTEMPTS = 5
FAST_RETRY, SLOW_RETRY, FAST_RETRIES = 0.1, 7.0, 50
STRATEGIC = "application/strategic-merge-patch+json"
DECLARED_FEATURES = (
    "ExtendWebSocketsToKubelet",
    "InPlacePodLevelResourcesVerticalScaling",
    "InPlacePodVerticalScalingInitContainers",
    "RestartAllContainersOnContainerExits",
)
PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


class Api(Protocol):
    async def request(self, method: str, path: str, body: object = None, content_type: str = "") -> Json: ...


@dataclass(frozen=True)
class NodeFacts:
    """What does not change while the kubelet runs."""

    name: str
    ips: tuple[str, ...]
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...]
    cpus: int
    memory_kib: int
    storage_kib: int
    max_pods: int
    machine_id: str
    system_uuid: str
    boot_id: str
    kernel: str
    os_image: str
    arch: str
    runtime_version: str
    port: int

    @classmethod
    def read(
        cls, fs: HostFs, name: str, ips: tuple[str, ...], labels: Mapping[str, str],
        taints: tuple[Mapping[str, str], ...], max_pods: int, runtime_version: str, port: int,
    ) -> "NodeFacts":  # fmt: skip
        """Ask the machine."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        disk = os.statvfs("/var/lib/kubelet" if Path("/var/lib/kubelet").is_dir() else "/")
        release = _os_release(_text(fs, "/etc/os-release") or _text(fs, "/usr/lib/os-release"))
        machine = _text(fs, "/etc/machine-id").strip()
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return cls(
            name, ips, labels, taints, os.cpu_count() or 1, pages // 1024,
            disk.f_blocks * disk.f_frsize // 1024,
            max_pods, machine, machine, _text(fs, "/proc/sys/kernel/random/boot_id").strip(),
            platform.release(),
            release.get("PRETTY_NAME", "Linux"), arch, runtime_version, port,
        )  # fmt: skip

    @property
    def amounts(self) -> dict[str, str]:
        """What the node has, all of which pods may have."""
        return {
            "cpu": str(self.cpus),
            "ephemeral-storage": f"{self.storage_kib}Ki",
            "hugepages-1Gi": "0",
            "hugepages-2Mi": "0",
            "memory": f"{self.memory_kib}Ki",
            "pods": str(self.max_pods),
        }


def _text(fs: HostFs, path: str) -> str:
    try:
        return fs.read_text(path)
    except OSError:
        return ""


def _os_release(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip().strip('"') for key, value in pairs}


def default_ip() -> str:
    """The address of the interface with the default route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def conditions(ready: bool, why_not: str, at: datetime, before: Mapping[str, Json]) -> list[Json]:
    """MemoryPressure, DiskPressure, PIDPressure, Ready."""
    rows = [(kind, "False", reason, message) for kind, reason, message in PRESSURES]
    if ready:
        rows.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    else:
        rows.append(("Ready", "False", "KubeletNotReady", why_not))
    result = []
    for kind, status, reason, message in rows:
        old = before.get(kind, {})
        moved = old["lastTransitionTime"] if old.get("status") == status else timestamp(at)
        result.append(
            {
                "lastHeartbeatTime": timestamp(at),
                "lastTransitionTime": moved,
                "message": message,
                "reason": reason,
                "status": status,
                "type": kind,
            }
        )
    return result


def node_labels(facts: NodeFacts) -> Json:
    """What a kubelet labels its node with."""
    return {
        "beta.kubernetes.io/arch": facts.arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.arch,
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        **facts.labels,
    }


def node_object(facts: NodeFacts, images: list[Json], state: list[Json]) -> Json:
    """The Node as this kubelet registers it."""
    addresses = [{"type": "InternalIP", "address": ip} for ip in facts.ips]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": facts.name,
            "labels": node_labels(facts),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {"taints": [dict(t) for t in facts.taints]} if facts.taints else {},
        "status": {
            "capacity": facts.amounts,
            "allocatable": facts.amounts,
            "conditions": state,
            "addresses": [*addresses, {"type": "Hostname", "address": facts.name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.port}},
            "nodeInfo": {
                "machineID": facts.machine_id,
                "systemUUID": facts.system_uuid,
                "bootID": facts.boot_id,
                "kernelVersion": facts.kernel,
                "osImage": facts.os_image,
                "containerRuntimeVersion": facts.runtime_version,
                "kubeletVersion": VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": facts.arch,
            },
            "images": images,
            "declaredFeatures": list(DECLARED_FEATURES),
        },
    }


class NodeStatus:
    """Registers the node and reports its status for as long as the kubelet runs."""

    def __init__(
        self,
        api: Api,
        facts: NodeFacts,
        events: EventRecorder,
        images: Callable[[], Any],
        why_not_ready: Callable[[], str],
        now: Callable[[], datetime],
        update_period: float,
        report_period: float,
    ) -> None:
        self._api = api
        self.facts = facts
        self._events = events
        self._images = images
        self._why_not_ready = why_not_ready
        self._now = now
        self._update_period = update_period
        self._report_period = report_period
        self._path = f"/api/v1/nodes/{facts.name}"
        #: Whether the API has the node, as far as its watch tells.
        self.exists = True
        self._sent: Json = {}
        self._sent_at = 0.0

    async def _object(self) -> Json:
        why_not = self._why_not_ready()
        before = {c["type"]: c for c in self._sent.get("conditions", ())}
        state = conditions(not why_not, why_not, self._now(), before)
        if "Ready" in before:
            self._tell(before["Ready"], state[-1])
        return node_object(self.facts, await self._images(), state)

    def _tell(self, before: Json, now: Json) -> None:
        """Of a node that became ready, or ceased to be (`setters.go`, ReadyCondition)."""
        if before.get("status") == now["status"]:
            return
        reason = "NodeReady" if now["status"] == "True" else "NodeNotReady"
        self._events.node(NORMAL, reason, f"Node {self.facts.name} status is now: {reason}")
        if reason == "NodeNotReady":
            order = ("type", "status", "lastHeartbeatTime", "lastTransitionTime", "reason", "message")
            shown = {key: now[key] for key in order}
            klog.info("setters.go:547", "Node became not ready", node=self.facts.name, condition=shown)

    async def register(self) -> Json:
        """Make the Node, or bring the one that is there up to date; tries until it is done."""
        tries = 0
        while True:
            klog.info(
                "kubelet_node_status.go:78",
                "Attempting to register node",
                node=self.facts.name,
                v=0 if _power(tries) else 4,
            )
            try:
                node = await self._register_once()
            except ApiError as error:
                if _power(tries):
                    klog.error(
                        "kubelet_node_status.go:111",
                        "Unable to register node with API server",
                        error,
                        node=self.facts.name,
                    )
                tries += 1
                await asyncio.sleep(FAST_RETRY if tries < FAST_RETRIES else SLOW_RETRY)
                continue
            klog.info("kubelet_node_status.go:81", "Successfully registered node", node=self.facts.name)
            return node

    async def _register_once(self) -> Json:
        wanted = await self._object()
        try:
            node = await self._api.request("POST", "/api/v1/nodes", wanted)
        except ApiError as error:
            if error.status != 409:
                raise
            there = await self._api.request("GET", self._path)
            missing = {
                kind: {
                    k: v
                    for k, v in wanted["metadata"][kind].items()
                    if there["metadata"].get(kind, {}).get(k) != v
                }
                for kind in ("labels", "annotations")
            }
            if any(missing.values()):
                await self._api.request("PATCH", self._path, {"metadata": missing}, STRATEGIC)
            self._sent = there.get("status", {})
            wanted = await self._object()
            node = await self._patch(wanted["status"])
        self._remember(wanted["status"])
        return node

    def _remember(self, status: Json) -> None:
        self._sent = status
        self._sent_at = asyncio.get_running_loop().time()

    async def _patch(self, status: Json) -> Json:
        return await self._api.request("PATCH", f"{self._path}/status", {"status": status}, STRATEGIC)

    async def run(self) -> None:
        """Report changes on the update period, and everything on the report period."""
        while True:
            await asyncio.sleep(self._update_period)
            await self._update()

    async def _update(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                await self._try(again=attempt > 0)
                return
            except ApiError as error:
                klog.error("kubelet_node_status.go:529", "Error updating node status, will retry", error)
        why = "update node status exceeds retry count"
        klog.error("kubelet_node_status.go:515", "Unable to update node status", why)

    async def _try(self, *, again: bool) -> None:
        """Once: of the node as the watch knows it, and `again` as the API server has it. Raises ApiError."""
        name = self.facts.name
        if again:
            try:
                self._sent = (await self._api.request("GET", self._path)).get("status", {})
            except ApiError as error:
                raise ApiError(error.status, f'error getting node "{name}": {error}') from None
        elif not self.exists:
            raise ApiError(404, f'error getting node "{name}": node "{name}" not found')
        status = (await self._object())["status"]
        due = asyncio.get_running_loop().time() - self._sent_at >= self._report_period
        if due or _without_heartbeats(status) != _without_heartbeats(self._sent):
            await self._patch(status)
            self._remember(status)

    def announce(self) -> None:
        """The events of a start."""
        name = self.facts.name
        self._events.node(NORMAL, "Starting", "Starting kubelet.")
        for reason in ("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"):
            self._events.node(NORMAL, reason, f"Node {name} status is now: {reason}")
        self._events.node(NORMAL, "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods")


def _power(number: int) -> bool:
    """0, 1, 2, 4, 8, …: what is still worth a line when it repeats."""
    return number & (number - 1) == 0


def _without_heartbeats(status: Json) -> Json:
    return {
        **status,
        "conditions": [
            {k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in status.get("conditions", ())
        ],
    }
