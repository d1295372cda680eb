"""The kubelet's loop: what the sources say, what the runtime has and what the API shows, kept together.

Static pods come first: they are started before the API client is even imported.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from cri_api.v1 import api_pb2 as api

from labs.kubelet import csi_node, klog
from labs.kubelet.admission import Room
from labs.kubelet.allocation import Allocation
from labs.kubelet.api_client import ApiClient, HeartbeatClient
from labs.kubelet.api_objects import ApiObjects
from labs.kubelet.backoff import Backoff
from labs.kubelet.cgroups import Cgroups
from labs.kubelet.config import KubeletConfig
from labs.kubelet.cri import Cri, CriError
from labs.kubelet.dns import ClusterDns, NoResolverError, Resolver
from labs.kubelet.events import EventRecorder
from labs.kubelet.flowcontrol import RateLimited
from labs.kubelet.garbage import GarbageCollector
from labs.kubelet.hostfs import HostFs, reason_of
from labs.kubelet.images import ImageManager
from labs.kubelet.lease import NodeLease
from labs.kubelet.log_rotation import LogRotation
from labs.kubelet.logs import ContainerLogs
from labs.kubelet.metrics import KubeletMetrics, TimedSyncer
from labs.kubelet.mirror import Mirrors, is_mirror
from labs.kubelet.mounting import Mounter
from labs.kubelet.node_status import NodeFacts, NodeStatus, default_ip, node_labels
from labs.kubelet.orphans import orphan
from labs.kubelet.pleg import Pleg
from labs.kubelet.pod.model import Pod
from labs.kubelet.pod_config import Changes, PodConfig
from labs.kubelet.pod_syncer import PodSyncer
from labs.kubelet.pod_workers import PodWorkers
from labs.kubelet.probes import ProbeManager
from labs.kubelet.reflector import Reflector
from labs.kubelet.resources import Machine
from labs.kubelet.runtime_class import RuntimeClasses
from labs.kubelet.runtime_manager import Host, PodRuntime
from labs.kubelet.runtime_state import OnceUp, RuntimeState
from labs.kubelet.services import Services
from labs.kubelet.sources.api import ApiSource
from labs.kubelet.sources.file import FileSource
from labs.kubelet.sources.http import UrlSource, fetcher
from labs.kubelet.status_manager import StatusManager
from labs.kubelet.volumes import Volumes

HOUSEKEEPING = 2.0
GARBAGE_COLLECTION = 60.0
RUNTIME_STATUS = 5.0
CRASH_BACKOFF = 10.0


@dataclass(frozen=True)
class Surroundings:
    """What the kubelet is given: everything outside itself."""

    config: KubeletConfig
    fs: HostFs
    cri: Cri
    api: ApiClient | None
    node_name: str
    now: Callable[[], datetime]
    metrics: KubeletMetrics = field(default_factory=KubeletMetrics)


class Kubelet:
    """One node's kubelet."""

    def __init__(self, given: Surroundings, version: api.VersionResponse) -> None:
        config, cri, fs, now = given.config, given.cri, given.fs, given.now
        self.config = config
        self.node_name = given.node_name
        self.cri = cri
        self.api = given.api
        self.metrics = metrics = given.metrics
        self._fs = fs
        self._now = now
        loop = asyncio.get_running_loop()
        self.runtime_state = RuntimeState(loop.time)
        self._pods: dict[str, Pod] = {}
        self._node_status: NodeStatus | None = None
        self._tidy = asyncio.Event()
        ips = (config.node_ip,) if config.node_ip else (default_ip(),)
        self.events = EventRecorder(given.node_name, now)
        self.logs = ContainerLogs(fs, config.pod_logs_dir)
        self.pleg = Pleg(cri, self._runtime_changed, self._relisted)
        self.probes = ProbeManager(cri, self.events, self._runtime_changed, now, metrics.probed)
        limited = RateLimited(given.api, config.kube_api_qps, config.kube_api_burst) if given.api else None
        self.mirrors = Mirrors(limited, given.node_name, self._mirror_changed) if limited else None
        self._api_pods = ApiSource(lambda pods: self.pod_config.set("api", pods), self._shown)
        self._statuses = (
            StatusManager(limited, self.mirrors, self._api_pods, self._pods.get)
            if limited and self.mirrors
            else None
        )
        self.facts = facts = NodeFacts.read(
            fs, given.node_name, ips, config.node_labels, config.register_with_taints, config.max_pods,
            f"{version.runtime_name}://{version.runtime_version}", config.port,
        )  # fmt: skip
        self._volumes = Volumes(fs, config.root_dir, config.cluster_domain, now, facts.amounts)
        images = ImageManager(
            cri, self.events, Backoff(CRASH_BACKOFF, 300.0, loop.time), not config.serialize_image_pulls
        )
        self._services = Services()
        objects = ApiObjects(limited, now)
        room = Room(
            node_labels(facts), given.node_name, Decimal(facts.cpus), Decimal(facts.memory_kib * 1024),
            Decimal(facts.storage_kib * 1024), facts.max_pods, config.allowed_unsafe_sysctls,
            apparmor=_has_apparmor(fs),
        )  # fmt: skip
        host = Host(
            given.node_name, ips, config.pod_logs_dir, Machine.read(fs, facts.memory_kib * 1024),
            self._resolver, ClusterDns(config.cluster_dns, config.cluster_domain), self._services,
            objects, RuntimeClasses(limited), version.runtime_name, facts.amounts, config.seccomp_default,
        )  # fmt: skip
        crashes = Backoff(CRASH_BACKOFF, config.max_container_restart_period, lambda: now().timestamp())
        cgroups = Cgroups(fs, config.cgroup_root, config.cgroup_driver)
        self.runtime = PodRuntime(
            cri, images, self._volumes, self.logs, self.events, crashes, cgroups, host, now,
            metrics.container_started,
        )  # fmt: skip
        self.syncer = PodSyncer(
            cri, self.runtime, images, Mounter(self._volumes, objects, self.events, now), objects,
            self.probes, self._statuses, self.mirrors, self.events, fs, ips,
            lambda: self.runtime_state.network, self.pleg, self._runtime_changed, version.runtime_name, now,
        )  # fmt: skip
        timed = TimedSyncer(self.syncer, metrics, now)
        self.workers = PodWorkers(OnceUp(timed, self.runtime_state), config.sync_frequency, self._tidy.set)
        self.allocation = Allocation(
            room, self.workers, self.syncer, self.events, lambda pod: self._pods.get(pod.uid) is pod
        )
        paths = {"file": config.static_pod_path, "http": config.static_pod_url, "api": given.api}
        sources = [name for name, path in paths.items() if path]
        self.pod_config = PodConfig(sources, self._configured, now, self.events)
        self._garbage = GarbageCollector(cri, self._volumes, self.logs, cgroups, self.events)

    async def run(self) -> None:
        """Until cancelled; containers outlive the kubelet."""
        klog.info("kubelet.go:2637", "Starting kubelet main sync loop")
        self.runtime_state.look()
        async with asyncio.TaskGroup() as tasks:
            await self._update_runtime_status()
            await self.pleg.relist()
            tasks.create_task(self.runtime_state.watch())
            if self.config.static_pod_path:
                path, period = self.config.static_pod_path, self.config.file_check_frequency
                source = FileSource(
                    self._fs,
                    path,
                    self.node_name,
                    period,
                    lambda pods: self.pod_config.set("file", pods),
                    self.config.kubernetes_version,
                )
                tasks.create_task(source.run())
            if url := self.config.static_pod_url:
                fetch, every = (
                    fetcher(url, self.config.static_pod_url_header),
                    self.config.http_check_frequency,
                )
                served = UrlSource(
                    fetch,
                    url,
                    self.node_name,
                    every,
                    lambda pods: self.pod_config.set("http", pods),
                    self.config.kubernetes_version,
                )
                tasks.create_task(served.run())
            tasks.create_task(self.pleg.run())
            tasks.create_task(self._housekeeping())
            tasks.create_task(self._collect_garbage())
            tasks.create_task(LogRotation(self.cri, self._fs, self.config.log_limits, self._now).run())
            tasks.create_task(self._watch_runtime())
            if self.api is not None and self.mirrors is not None and self._statuses is not None:
                tasks.create_task(self._meet_api(self.api, self.mirrors, self._statuses))

    def pods(self) -> list[Pod]:
        """The pods the sources ask for."""
        return list(self._pods.values())

    def pod_by_name(self, namespace: str, name: str) -> Pod | None:
        """One of them."""
        full_name = f"{name}_{namespace}"
        return next((pod for pod in self._pods.values() if pod.full_name == full_name), None)

    def _configured(self, changes: Changes) -> None:
        for pod in changes.removed:
            self._pods.pop(pod.uid, None)
            self.allocation.forget(pod.uid)
            self.workers.remove(pod.uid)
        if self.pod_config.seen_all:
            self._stop_orphans(but=changes.added)
        for pod in sorted(changes.added, key=lambda pod: pod.created):
            others = [other for other in self._pods.values() if self.allocation.is_active(other)]
            self._pods[pod.uid] = pod
            self.allocation.admit(pod, others)
        for pod in changes.updated:
            self._pods[pod.uid] = pod
            self.allocation.update(pod)

    def _relisted(self, seconds: float) -> None:
        self.metrics.relisted(seconds)
        self.runtime_state.relisted()

    def _runtime_changed(self, uid: str) -> None:
        if self.workers.get(uid) is None:
            self._tidy.set()
        self.workers.wake(uid)

    def _mirror_changed(self, full_name: str) -> None:
        """The watch showed a mirror: act on one that goes away, have the status of the others compared."""
        assert self.mirrors is not None
        assert self._statuses is not None
        pod = self._static(full_name)
        worker = self.workers.get(pod.uid) if pod else None
        if pod is None or worker is None or worker.stopping:
            self._tidy.set()
        elif self.mirrors.get(pod) is None:
            self.syncer.mirror(pod)
        else:
            self._statuses.push(pod.uid)

    def _static(self, full_name: str) -> Pod | None:
        """The static pod of this name that a source asks for."""
        return next((p for p in self._pods.values() if p.full_name == full_name and p.is_static), None)

    def _pod_event(self, kind: str, pod: dict[str, Any]) -> None:
        """The watch of the node's pods: mirrors are reflections, all others are to run."""
        assert self.mirrors is not None
        if is_mirror(pod):
            self.mirrors.on_event(kind, pod)
        else:
            self._api_pods.on_event(kind, pod)

    def _shown(self, uid: str) -> None:
        """The API shows something new of a pod: have the status compared."""
        if self._statuses is not None and uid in self._pods:
            self._statuses.push(uid)

    def _resolver(self) -> Resolver:
        """The node's own. Raises NoResolverError."""
        path = self.config.resolv_conf
        try:
            return Resolver.parse(self._fs.read_text(path))
        except OSError as error:
            why = f"open {path}: {reason_of(error)}"
            klog.error("dns.go:285", "Could not open resolv conf file.", why)
            raise NoResolverError(why) from None

    async def _update_runtime_status(self) -> None:
        """`updateRuntimeUp`, by what the runtime says of itself."""
        try:
            status = (await self.cri.status()).status
        except CriError as error:
            klog.error("kubelet.go:3262", "Container runtime sanity check failed", error)
            return
        network = next((c for c in status.conditions if c.type == "NetworkReady"), None)
        if network is None or network.status:
            self.runtime_state.network = ""
        else:
            why = f"NetworkReady=false reason:{network.reason} message:{network.message}"
            klog.info("kubelet.go:3277", "Container runtime network not ready", networkReady=why)
            self.runtime_state.network = f"container runtime network not ready: {why}"
        self.runtime_state.answered()

    async def _watch_runtime(self) -> None:
        while True:
            await asyncio.sleep(RUNTIME_STATUS)
            await self._update_runtime_status()

    async def _housekeeping(self) -> None:
        """Every two seconds, and whenever something ended (`HandlePodCleanups`)."""
        while True:
            try:
                async with asyncio.timeout(HOUSEKEEPING):
                    await self._tidy.wait()
            except TimeoutError:
                pass
            self._tidy.clear()
            if self.pod_config.seen_all and not self.runtime_state.skipping:
                await self._clean_up()

    async def _clean_up(self) -> None:
        if why := self.pleg.failure:
            klog.error("kubelet_pods.go:1277", "Error listing containers", why)
            klog.error("kubelet.go:2820", "Failed cleaning pods", why)
            return
        for uid in self.workers.forget_terminated():
            self.syncer.forget(uid)
            if self._garbage.remove_directory(uid):
                path = f"{self.config.root_dir}/pods/{uid}/volumes"
                klog.info(
                    "kubelet_volumes.go:161", "Cleaned up orphaned pod volumes dir", podUID=uid, path=path
                )
        self._stop_orphans()
        if self.mirrors is not None:
            await self.mirrors.remove_orphans(self._wanted)

    def _wanted(self) -> set[str]:
        """The full names of the static pods that are configured, and of the pods that still stop."""
        return {pod.full_name for pod in self._pods.values() if pod.is_static} | self.workers.held()

    def _stop_orphans(self, but: Iterable[Pod] = ()) -> None:
        """Stop what runs and no source asks for: its manifest changed or went while the kubelet was away."""
        wanted = self._pods.keys() | {pod.uid for pod in but}
        for uid, seen in self.pleg.pods.items():
            if seen.running and uid not in wanted and self.workers.get(uid) is None:
                seen.running = False
                self.workers.terminate(orphan(seen))

    async def _collect_garbage(self) -> None:
        while True:
            await asyncio.sleep(GARBAGE_COLLECTION)
            if self.pod_config.seen_all:
                await self._garbage.collect(lambda: {p.uid for p in self.workers.pods()})

    async def _images(self) -> list[dict[str, Any]]:
        try:
            images = await self.cri.list_images()
        except CriError:
            return []
        known: list[dict[str, Any]] = [
            {"names": [*i.repo_digests, *i.repo_tags], "sizeBytes": i.size} for i in images
        ]
        return sorted(known, key=lambda i: -i["sizeBytes"])[:50]

    async def _meet_api(self, client: ApiClient, mirrors: Mirrors, statuses: StatusManager) -> None:
        """Register, then mirror, watch and report."""
        klog.info("kubelet.go:496", "Attempting to sync node with API server")
        config, now = self.config, self._now
        patience = min(config.node_status_update_frequency, config.node_lease_duration_seconds)
        heartbeat = HeartbeatClient(client, patience)
        self._node_status = node_status = NodeStatus(
            heartbeat, self.facts, self.events, self._images, self.runtime_state.why_not_ready, now,
            config.node_status_update_frequency, config.node_status_report_frequency,
        )  # fmt: skip
        node_status.announce()
        if config.register_node:
            node = await node_status.register()
            mirrors.node_is(node["metadata"]["uid"])
            for pod in self._pods.values():
                self.syncer.mirror(pod)
        klog.info("apiserver.go:51", "Watching apiserver")
        watch_node = Reflector(
            client, "/api/v1/nodes", "Node", f"metadata.name={self.node_name}", self._node_event
        )
        own = f"spec.nodeName={self.node_name}"
        watch_pods = Reflector(client, "/api/v1/pods", "Pod", own, self._pod_event, self._api_pods.listed)
        services = self._services
        watch_services = Reflector(
            client, "/api/v1/services", "Service", "", services.on_event, services.listed
        )
        lease = NodeLease(heartbeat, self.node_name, config.node_lease_duration_seconds, now)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_services.run())
            tasks.create_task(statuses.run())
            tasks.create_task(watch_pods.run())
            tasks.create_task(watch_node.run())
            events = RateLimited(client, config.event_record_qps, config.event_burst)
            tasks.create_task(self.events.run(events, client.up))
            tasks.create_task(lease.run())
            tasks.create_task(node_status.run())
            tasks.create_task(csi_node.publish(client, self.node_name))

    def _node_event(self, kind: str, node: dict[str, Any]) -> None:
        assert self.mirrors is not None
        assert self._node_status is not None
        self._node_status.exists = kind != "DELETED"
        self.mirrors.node_is("" if kind == "DELETED" else node["metadata"]["uid"])
        labels, taints = node["metadata"].get("labels") or {}, node.get("spec", {}).get("taints") or ()
        self.allocation.node_is(labels, taints)

    async def close(self) -> None:
        self.probes.close()
        await self.allocation.close()
        await self.workers.close()


def _has_apparmor(fs: HostFs) -> bool:
    try:
        return fs.read_text("/sys/module/apparmor/parameters/enabled").startswith("Y")
    except OSError:
        return False
