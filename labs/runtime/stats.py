"""What a container uses, as far as the node can see without cgroups: the sum over its processes, from /proc.

Memory is the proportional set size, so that shared pages count once; processor time includes that of
children that have ended and were waited for.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime.records import Container, Sandbox

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Usage:
    """Of a set of processes."""

    cpu: int = 0
    memory: int = 0
    processes: int = 0


def _tree(pid: int) -> Iterator[tuple[int, list[str]]]:
    """A process and its descendants, with what /proc/PID/stat says after the name."""
    pending = [pid] if pid else []
    while pending:
        each = pending.pop()
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            children = Path(f"/proc/{each}/task/{each}/children").read_text().split()
        except OSError:  # it has ended since
            continue
        yield each, fields
        pending += [int(child) for child in children]


def memory_of(pid: int, enough: int) -> int:
    """The memory of a process and its descendants; looked at closely only when it may be above `enough`."""
    resident = {each: int(fields[21]) * _PAGE for each, fields in _tree(pid)}
    if sum(resident.values()) <= enough:
        return sum(resident.values())
    return sum(_proportional(each, size) for each, size in resident.items())


def usage_of(pid: int) -> Usage:
    """Of a process and all its descendants; of nothing when it is gone."""
    total = Usage()
    for each, fields in _tree(pid):
        total.cpu += sum(int(ticks) for ticks in fields[11:15]) * _TICK
        total.memory += _proportional(each, int(fields[21]) * _PAGE)
        total.processes += 1
    return total


def _proportional(pid: int, resident: int) -> int:
    """The proportional set size; the resident one of a process that we may not look into so closely."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resident


def of_container(container: Container) -> Any:
    """A ContainerStats message."""
    now = time.time_ns()
    usage = usage_of(container.pid)
    size, inodes = _written(container.directory / "upper")
    return cri.ContainerStats(
        attributes=cri.ContainerAttributes(
            id=container.id,
            metadata=container.config.metadata,
            labels=dict(container.config.labels),
            annotations=dict(container.config.annotations),
        ),
        cpu=cri.CpuUsage(timestamp=now, usage_core_nano_seconds=cri.UInt64Value(value=usage.cpu)),
        memory=cri.MemoryUsage(timestamp=now, working_set_bytes=cri.UInt64Value(value=usage.memory)),
        writable_layer=cri.FilesystemUsage(
            timestamp=now,
            fs_id=cri.FilesystemIdentifier(mountpoint=str(container.directory.parent)),
            used_bytes=cri.UInt64Value(value=size),
            inodes_used=cri.UInt64Value(value=inodes),
        ),
    )


def of_sandbox(sandbox: Sandbox, containers: list[Container]) -> Any:
    """A PodSandboxStats message."""
    now = time.time_ns()
    each = [of_container(container) for container in containers if container.running]
    pause = usage_of(sandbox.pid)
    cpu = pause.cpu + sum(one.cpu.usage_core_nano_seconds.value for one in each)
    memory = pause.memory + sum(one.memory.working_set_bytes.value for one in each)
    return cri.PodSandboxStats(
        attributes=cri.PodSandboxAttributes(
            id=sandbox.id,
            metadata=sandbox.config.metadata,
            labels=dict(sandbox.config.labels),
            annotations=dict(sandbox.config.annotations),
        ),
        linux=cri.LinuxPodSandboxStats(
            cpu=cri.CpuUsage(timestamp=now, usage_core_nano_seconds=cri.UInt64Value(value=cpu)),
            memory=cri.MemoryUsage(timestamp=now, working_set_bytes=cri.UInt64Value(value=memory)),
            containers=each,
        ),
    )


def filesystem(directory: Path) -> Any:
    """How much of the disk the files below `directory` take: a FilesystemUsage message."""
    size, inodes = _written(directory)
    return cri.FilesystemUsage(
        timestamp=time.time_ns(),
        fs_id=cri.FilesystemIdentifier(mountpoint=str(directory)),
        used_bytes=cri.UInt64Value(value=size),
        inodes_used=cri.UInt64Value(value=inodes),
    )


def _written(directory: Path) -> tuple[int, int]:
    """Bytes on the disk, and files."""
    size, seen = 0, set()
    for parent, directories, names in os.walk(directory):
        for name in (*directories, *names):
            try:
                status = Path(parent, name).lstat()
            except OSError:  # removed since
                continue
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                size += status.st_blocks * 512
    return size, len(seen)
