"""`/stats/summary` (`k8s.io/kubelet/pkg/apis/stats/v1alpha1`): what `usage` has found, in the API's shape.

What this node cannot tell, such as pressure by cgroup, is left out.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cri_api.v1 import api_pb2 as api

from labs.kubelet.cri import CriError
from labs.kubelet.hostfs import HostFs
from labs.kubelet.server import usage
from labs.kubelet.server.usage import ContainerUse, PodUse, Rates, Use
from labs.kubelet.server.web import JSON, Refused, Response

if TYPE_CHECKING:
    from labs.kubelet.kubelet import Kubelet

Json = dict[str, Any]


async def answer(kubelet: "Kubelet", fs: HostFs, rates: Rates, *, only_cpu_and_memory: bool) -> Response:
    """Of the node and its pods."""
    try:
        pods = await usage.of_pods(kubelet, fs, rates)
        images = None if only_cpu_and_memory else await kubelet.cri.image_filesystem()
    except CriError as error:
        raise Refused(500, f"failed to list pod stats: {error}") from None
    node = _node(kubelet, fs, pods, rates, images)
    rates.asked()
    disk = None if only_cpu_and_memory else _filesystem(fs, kubelet.config.root_dir)
    body = {"node": node, "pods": [_pod(pod, disk) for pod in pods]}
    return Response(200, json.dumps(body, indent=1).encode(), JSON)


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _known(entry: Json) -> Json:
    return {key: value for key, value in entry.items() if value is not None}


def _cpu(use: Use) -> Json:
    return _known({"time": _time(use.at), "usageNanoCores": use.rate, "usageCoreNanoSeconds": use.cpu})


def _memory(use: Use) -> Json:
    return _known(
        {
            "time": _time(use.at), "availableBytes": use.available, "usageBytes": use.usage,
            "workingSetBytes": use.working_set, "rssBytes": use.resident, "pageFaults": use.faults,
            "majorPageFaults": use.major_faults,
        }
    )  # fmt: skip


def _filesystem(fs: HostFs, path: str) -> Json:
    """The disk that `path` is on."""
    fd = fs.open(path, os.O_PATH)
    try:
        disk = os.fstatvfs(fd)
    finally:
        os.close(fd)
    block = disk.f_frsize
    return {
        "time": _now(), "availableBytes": disk.f_bavail * block, "capacityBytes": disk.f_blocks * block,
        "usedBytes": (disk.f_blocks - disk.f_bfree) * block, "inodesFree": disk.f_ffree,
        "inodes": disk.f_files, "inodesUsed": disk.f_files - disk.f_ffree,
    }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_disk(disk: Json, used: int, inodes: int) -> Json:
    return {**disk, "usedBytes": used, "inodesUsed": inodes}


def _container(each: ContainerUse, disk: Json | None) -> Json:
    started = datetime.fromtimestamp(int(each.started), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = {"name": each.name, "startTime": started, "cpu": _cpu(each.use), "memory": _memory(each.use)}
    if disk is not None:
        entry |= {"rootfs": _of_disk(disk, *each.written), "logs": _of_disk(disk, *each.logged)}
    return entry


def _pod(each: PodUse, disk: Json | None) -> Json:
    total, pod = each.total(), each.pod
    entry: Json = {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "startTime": each.started,
        "containers": [_container(one, disk) for one in each.containers],
        "cpu": _cpu(total),
        "memory": _memory(total),
    }
    if disk is not None:
        used = sum(one.written[0] + one.logged[0] for one in each.containers)
        inodes = sum(one.written[1] + one.logged[1] for one in each.containers)
        entry["ephemeral-storage"] = _of_disk(disk, used, inodes)
    return entry


def _node(
    kubelet: "Kubelet", fs: HostFs, pods: list[PodUse], rates: Rates, images: api.ImageFsInfoResponse | None
) -> Json:
    use = usage.of_node(rates)
    booted = datetime.now(UTC).timestamp() - float(Path("/proc/uptime").read_text().split()[0])
    node: Json = {
        "nodeName": kubelet.node_name,
        "systemContainers": [_all_pods(pods)] if pods else [],
        "startTime": _time(int(booted * 1_000_000_000)),
        "cpu": _cpu(use),
        "memory": _memory(use),
    }
    if images is None:
        return node
    free, used = usage.swap()
    most, now = usage.processes()
    disk = _filesystem(fs, kubelet.config.root_dir)
    return node | {
        "network": _network(),
        "fs": disk,
        "runtime": {
            "imageFs": _of_images(disk, images.image_filesystems),
            "containerFs": _of_images(disk, images.container_filesystems or images.image_filesystems),
        },
        "rlimit": {"time": _now(), "maxpid": most, "curproc": now},
        "swap": {"time": _now(), "swapAvailableBytes": free, "swapUsageBytes": used},
    }


def _all_pods(pods: list[PodUse]) -> Json:
    """The sum over all pods, where a cgroup would give it."""
    totals = [pod.total() for pod in pods]
    known = [total.rate for total in totals if total.rate is not None]
    total = Use(
        max(each.at for each in totals), sum(each.cpu or 0 for each in totals),
        sum(known) if len(known) == len(totals) else None, sum(each.working_set or 0 for each in totals),
    )  # fmt: skip
    started = min(pod.started for pod in pods)
    return {"name": "pods", "startTime": started, "cpu": _cpu(total), "memory": _memory(total)}


def _of_images(disk: Json, systems: Any) -> Json:
    used = sum(each.used_bytes.value for each in systems)
    return _of_disk(disk, used, sum(each.inodes_used.value for each in systems))


def _network() -> Json:
    names = ("rxBytes", "rxErrors", "txBytes", "txErrors")
    found = {name: dict(zip(names, row, strict=True)) for name, row in usage.interfaces().items()}
    first = "eth0" if "eth0" in found else next(iter(found), "")
    entry: Json = {"time": _now(), "name": first, **found.get(first, {})}
    return entry | {"interfaces": [{"name": name, **row} for name, row in found.items()]}
