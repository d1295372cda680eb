"""What the processes of a cluster weigh and work, by what they are for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of some processes together: how many, their proportional share of memory in MB, their CPU seconds."""

    processes: int = 0
    pss_mb: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.processes + other.processes, self.pss_mb + other.pss_mb, self.cpu_s + other.cpu_s)


def family(pid: int) -> list[int]:
    """`pid` and every process below it."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        with suppress(FileNotFoundError, ProcessLookupError):
            children = [(task / "children").read_text() for task in Path(f"/proc/{one}/task").iterdir()]
            found.append(one)
            queue += [int(child) for line in children for child in line.split()]
    return found


def usage(pids: Iterable[int]) -> Usage:
    """Of all of `pids` that are still there."""
    total = Usage()
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            total += Usage(1, _pss_mb(pid), _cpu_s(pid))
    return total


def by_role(pids: Iterable[int]) -> dict[str, Usage]:
    """Of the node's own programs: kubelet, runtime, and the monitors (process 1 and one bwrap a container).

    They stand for what kubelet, containerd and its shims are on a real node. The containers themselves and
    the pods' pause processes count on neither side.
    """
    found: dict[str, list[int]] = {"kubelet": [], "runtime": [], "monitors": []}
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            role = _role(Path(f"/proc/{pid}/cmdline").read_text().split("\0"))
            found.get(role, []).append(pid)
    return {role: usage(of_it) for role, of_it in found.items()}


def _role(argv: list[str]) -> str:
    program = argv[0].rpartition("/")[2]
    if program in ("bwrap", "containerd-shim-runc-v2") or any(
        argument.endswith("labs/nodes/init") for argument in argv
    ):
        return "monitors"
    return {"kubelet": "kubelet", "containerd": "runtime"}.get(program, "")


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) / 1024


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK
