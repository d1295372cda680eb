"""A pod's /proc and /sys, mounted beside its other files for its containers to bind.

bubblewrap mounts a /proc only where it may speak for the process namespace, which a container with users
of its own in its pod's process namespace may not; and it mounts no /sys at all. The runtime may do both.
"""

import ctypes
import os
from pathlib import Path

from labs.runtime.monitor import Monitor
from labs.runtime.network import PodNetwork
from labs.runtime.processes import Processes
from labs.runtime.records import Sandbox

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


class KernelFiles:
    """Mounts and unmounts; they vanish with the node, and with the sandbox by `release`."""

    def __init__(self, monitor: Monitor, processes: Processes, network: PodNetwork, directory: Path) -> None:
        self._monitor = monitor
        self._processes = processes
        self._network = network
        #: For pods that share the node's network.
        self._of_node = directory / "sys"

    async def proc(self, sandbox: Sandbox) -> Path:
        """The processes of a pod whose containers share them."""
        place = sandbox.directory / "proc"
        if not _mounted(place):
            place.mkdir(exist_ok=True)
            name = f"{sandbox.id}-proc"
            argv = ["/usr/bin/mount", "-t", "proc", "-o", "nosuid,nodev,noexec", "proc", str(place)]
            pids = os.open(f"/proc/{sandbox.pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            try:
                await self._monitor.run(name, argv, [pids], join={"pid": 10})
                await self._processes.wait(name)
            finally:
                os.close(pids)
                await self._processes.forget(name)
        return place

    async def sys(self, sandbox: Sandbox) -> Path | None:
        """The devices of a pod, which are its network's; None where the machine lets nobody mount that."""
        place = self._of_node if sandbox.host_network else sandbox.directory / "sys"
        if not _mounted(place):
            place.mkdir(exist_ok=True)
            pid = None if sandbox.host_network else sandbox.pid
            try:
                await self._network.inside(pid, lambda: _mount_sysfs(place))
            except OSError:  # the machine is a container itself, whose /sys is partly hidden
                return None
        return place

    def release(self, sandbox: Sandbox) -> None:
        """Unmount what was mounted for a sandbox, so that its directory can be removed."""
        for name in ("proc", "sys"):
            if _mounted(sandbox.directory / name):
                _libc.umount2(os.fsencode(sandbox.directory / name), _MNT_DETACH)


def _mounted(place: Path) -> bool:
    return place.exists() and place.stat().st_dev != place.parent.stat().st_dev


def _mount_sysfs(place: Path) -> None:
    flags = ctypes.c_ulong(_MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    if _libc.mount(b"sysfs", os.fsencode(place), b"sysfs", flags, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount sysfs: {os.strerror(number)}")
