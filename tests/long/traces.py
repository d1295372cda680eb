"""What running pods leaves on a node while they run, and must not leave afterwards."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cri_api.v1 import api_pb2 as cri

from tests.bench.node import Node
from tests.bench.processes import family


@dataclass(frozen=True)
class Traces:
    """Counts, in the order in which a difference is easiest to understand."""

    sandboxes: int
    containers: int
    processes: int
    mounts: int
    cables: int
    #: Of the node's own programs, without connections: see `connections`.
    descriptors: dict[str, int]
    log_directories: int
    log_links: int
    pod_directories: int
    runtime_directories: int


def traces(node: Node) -> Traces:
    """As they are now."""
    pids = family(node.supervisor)
    trusted = {name: pid for pid in pids if (name := program(pid)) in ("kubelet", "containerd", "init")}
    runtime = Path(f"/proc/{trusted['containerd']}/root")
    return Traces(
        len(node.runtime.ListPodSandbox(cri.ListPodSandboxRequest()).items),
        len(node.runtime.ListContainers(cri.ListContainersRequest()).containers),
        len(pids),
        sum(len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines()) for pid in trusted.values()),
        Path(f"/proc/{trusted['init']}/net/dev").read_text().count("veth"),
        {name: sum(not each.startswith("socket:") for each in _open(pid)) for name, pid in trusted.items()},
        _entries(node.root / "var/log/pods"),
        _entries(node.root / "var/log/containers"),
        _entries(node.root / "var/lib/kubelet/pods"),
        _entries(runtime / "cks/sandboxes") + _entries(runtime / "cks/containers"),
    )


def connections(node: Node) -> int:
    """How many sockets the node's own programs hold."""
    trusted = (pid for pid in family(node.supervisor) if program(pid) in ("kubelet", "containerd", "init"))
    return sum(each.startswith("socket:") for pid in trusted for each in _open(pid))


def program(pid: int) -> str:
    """`kubelet`, `containerd`, `etcd`, …, `init` for the node's process 1, and nothing once it has gone."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    if argv[0].endswith("bwrap"):
        return "bwrap"
    if any(each.endswith("labs/nodes/init") for each in argv):
        return "init"
    return argv[0].rpartition("/")[2]


def programs(node: Node) -> Counter[str]:
    """How many processes run which program, to tell what was left."""
    return Counter(program(pid) for pid in family(node.supervisor))


def processes(node: Node) -> list[str]:
    """Each process with its parent and its command line, to tell where one that was left comes from."""
    lines = []
    for pid in sorted(family(node.supervisor)):
        with suppress(FileNotFoundError, ProcessLookupError):
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            lines.append(f"{pid} of {parent}: {words[:120]}")
    return lines


def _entries(directory: Path) -> int:
    return len(list(directory.iterdir())) if directory.is_dir() else 0


def _open(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(link.readlink()))
    return found
