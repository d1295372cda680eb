"""Container logs that grow too large (`pkg/kubelet/logs/container_log_manager.go`).

0.log   0.log.20261124-024501   0.log.20261124-022213.gz …

The runtime goes on in a new file; of the old ones all but the latest are compressed, and only so many kept.
"""

import asyncio
import gzip
from collections.abc import Callable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Protocol

from cri_api.v1 import api_pb2 as api

from labs.kubelet import klog
from labs.kubelet.config import LogLimits
from labs.kubelet.cri import CriError
from labs.kubelet.hostfs import HostFs

STAMP = "%Y%m%d-%H%M%S"
PACKED, UNFINISHED = ".gz", ".tmp"


class Runtime(Protocol):
    """What rotating needs of the runtime."""

    async def list_containers(self, labels: dict[str, str] | None = None) -> list[api.Container]: ...
    async def container_status(self, container: str) -> api.ContainerStatus: ...
    async def reopen_log(self, container: str) -> None: ...


class LogRotation:
    """Looks at the logs of running containers."""

    def __init__(self, cri: Runtime, fs: HostFs, limits: LogLimits, now: Callable[[], datetime]) -> None:
        self._cri = cri
        self._fs = fs
        self._limits = limits
        self._now = now
        #: Of the running containers: where a log lies is told by a call each, and stays so.
        self._paths: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._limits.period)
            try:
                await self.check()
            except CriError as error:
                why = f"failed to list containers: {error}"
                klog.error("container_log_manager.go:154", "Failed to rotate container logs", why)

    async def check(self) -> None:
        """Rotate every log that is too large. Raises CriError."""
        listed = await self._cri.list_containers()
        running = [each.id for each in listed if each.state == api.CONTAINER_RUNNING]
        self._paths = {key: path for key, path in self._paths.items() if key in running}
        for container in running:
            try:
                await self._check(container)
            except (OSError, CriError) as error:
                klog.error(
                    "container_log_manager.go:299", "Failed to rotate log for container", error,
                    containerID=container,
                )  # fmt: skip

    async def _check(self, container: str) -> None:
        if container not in self._paths:
            self._paths[container] = (await self._cri.container_status(container)).log_path
        path = self._paths[container]
        if not path:
            return
        if self._fs.kind(path) is None:
            # a rotation that was cut short
            await self._cri.reopen_log(container)
            return
        if self._fs.stat(path).st_size < self._limits.size:
            return
        self._tidy(path)
        rotated = f"{path}.{self._now().strftime(STAMP)}"
        self._fs.rename(path, rotated)
        try:
            await self._cri.reopen_log(container)
        except CriError:
            self._fs.rename(rotated, path)
            raise

    def _tidy(self, path: str) -> None:
        """Drop what is unfinished or too much, compress the rest."""
        folder, base = str(PurePosixPath(path).parent), PurePosixPath(path).name
        old = [name for name in self._fs.listdir(folder) if name.startswith(f"{base}.")]
        for name in list(old):
            if name.endswith(UNFINISHED) or f"{name}{PACKED}" in old:
                self._fs.remove(f"{folder}/{name}")
                old.remove(name)
        kept = max(0, self._limits.files - 2)
        for name in old[: max(0, len(old) - kept)]:
            self._fs.remove(f"{folder}/{name}")
        for name in old[max(0, len(old) - kept) :]:
            if not name.endswith(PACKED):
                self._pack(f"{folder}/{name}")

    def _pack(self, path: str) -> None:
        temporary = f"{path}{PACKED}{UNFINISHED}"
        self._fs.write_bytes(temporary, gzip.compress(self._fs.read_bytes(path)))
        self._fs.rename(temporary, f"{path}{PACKED}")
        self._fs.remove(path)
