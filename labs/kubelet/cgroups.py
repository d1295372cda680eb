"""Where a pod's processes are counted: the names of pod cgroups, and taking them away (`pkg/kubelet/cm`).

cgroupfs   /kubelet/kubepods/burstable/podUID
systemd    /kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-…-podUID.slice

The runtime makes what is missing when it starts a sandbox there. With systemd an empty slice goes by itself;
with cgroupfs the directories stay until the kubelet removes them, in every hierarchy of cgroup v1.
"""

from collections.abc import Iterable
from itertools import accumulate

from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.model import Pod

MOUNT = "/sys/fs/cgroup"
QOS = ("", "burstable", "besteffort")


class Cgroups:
    """The cgroups below `root` (a KubeletConfiguration's `cgroupRoot`), by either driver."""

    def __init__(self, fs: HostFs, root: str, driver: str) -> None:
        self._fs = fs
        self._root = tuple(part for part in root.split("/") if part)
        self._systemd = driver == "systemd"

    def parent_of(self, pod: Pod) -> str:
        """The pod's cgroup, for `cgroup_parent` of its sandbox."""
        qos = pod.qos_class
        return self._name("" if qos == "Guaranteed" else qos.lower(), f"pod{pod.uid}")

    def _name(self, *parts: str) -> str:
        names = [*self._root, "kubepods", *filter(None, parts)]
        if not self._systemd:
            return "/" + "/".join(names)
        escaped = [name.replace("-", "_") for name in names]
        return "".join(f"/{slice}.slice" for slice in accumulate(escaped, "{}-{}".format))

    def remove_orphans(self, live: Iterable[str]) -> None:
        """Remove every pod's cgroup but those of these UIDs, where the driver leaves that to the kubelet.

        What is still in use stays, until the next time.
        """
        if self._systemd:
            return
        kept = {f"pod{uid}" for uid in live}
        for hierarchy in self._hierarchies():
            for qos in QOS:
                folder = hierarchy + self._name(qos)
                for name in self._names(folder):
                    if name.startswith("pod") and name not in kept:
                        self._remove(f"{folder}/{name}")

    def _hierarchies(self) -> list[str]:
        if self._fs.kind(f"{MOUNT}/cgroup.controllers") is not None:
            return [MOUNT]
        return [f"{MOUNT}/{name}" for name in self._names(MOUNT)]

    def _names(self, folder: str) -> list[str]:
        try:
            return [name for name in self._fs.listdir(folder) if self._fs.kind(f"{folder}/{name}") == "dir"]
        except OSError:
            return []

    def _remove(self, folder: str) -> None:
        for name in self._names(folder):
            self._remove(f"{folder}/{name}")
        try:
            self._fs.rmdir(folder)
        except OSError:
            return
