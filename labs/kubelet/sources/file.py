"""The file source: a directory of manifests, or one manifest (`pkg/kubelet/config/file.go`, `file_linux.go`).

Reads at once and every `fileCheckFrequency`, and between scans follows inotify. What it knows is a store of
pods by `name_namespace`; each change publishes the whole store to its listener.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from enum import Enum

from labs.kubelet import klog
from labs.kubelet.hostfs import HostFs, reason_of
from labs.kubelet.pod.errors import ManifestError
from labs.kubelet.pod.manifest import LATEST, MAX_SIZE, Version, pod_from_file
from labs.kubelet.pod.model import Pod

RETRY_WATCH = 1.0
#: From this version on, of two files with the same pod the first by name counts, always (k/k#142028).
FIRST_WINS = (1, 37)


class Change(Enum):
    """What an inotify event says about one file."""

    WRITTEN = "written"
    GONE = "gone"


class FileSource:
    """Watches `path` on the node and calls `publish` with the list of its pods."""

    def __init__(
        self,
        fs: HostFs,
        path: str,
        node_name: str,
        period: float,
        publish: Callable[[list[Pod]], None],
        version: Version = LATEST,
    ) -> None:
        self._version = version
        self._fs = fs
        self.path = path.rstrip("/") or "/"
        self._node_name = node_name
        self._period = period
        self._publish = publish
        self._pods: dict[str, Pod] = {}
        #: file -> the key of the pod it last produced, so that a delete knows whom it removes
        self._produced: dict[str, str] = {}
        #: file -> its content and the pod in it, so that a scan decodes only what has changed
        self._decoded: dict[str, tuple[bytes, Pod]] = {}

    async def run(self) -> None:
        """Scan now, then on the period, while inotify tells of changes between. Runs until cancelled."""
        self.scan()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._scan_periodically())
            tasks.create_task(self._watch())

    async def _scan_periodically(self) -> None:
        while True:
            await asyncio.sleep(self._period)
            self.scan()

    def scan(self) -> None:
        """Read everything; the store becomes what was read, and is published."""
        pods: list[Pod] = []
        self._produced.clear()
        try:
            kind = self._fs.kind(self.path)
            if kind is None:
                klog.error(
                    "file.go:100",
                    "Unable to read config path",
                    "path does not exist, ignoring",
                    path=self.path,
                )
            elif kind == "dir":
                pods = self._scan_directory()
            elif kind == "file":
                pods = [self._extract(self.path)]
            else:
                klog.error(
                    "file.go:100",
                    "Unable to read config path",
                    "path is not a directory or file",
                    path=self.path,
                )
                return
        except (OSError, ManifestError) as error:
            klog.error("file.go:100", "Unable to read config path", _go_error(error), path=self.path)
            return
        self._decoded = {path: self._decoded[path] for path in self._produced}
        first_wins = self._version >= FIRST_WINS
        self._pods = {pod.full_name: pod for pod in (reversed(pods) if first_wins else pods)}
        self._publish(list(self._pods.values()))

    def _scan_directory(self) -> list[Pod]:
        pods: list[Pod] = []
        for name in self._fs.listdir(self.path):
            if name.startswith("."):
                continue
            path = f"{self.path}/{name}"
            try:
                kind = self._fs.kind(path)
                if kind == "dir":
                    klog.error(
                        "file.go:182",
                        "Provided manifest path is a directory, not recursing into manifest path",
                        path=path,
                    )
                elif kind == "file":
                    pods.append(self._extract(path))
                elif kind is None:
                    klog.error(
                        "file.go:176",
                        "Could not get metadata",
                        f"stat {path}: no such file or directory",
                        path=path,
                    )
                else:
                    klog.error(
                        "file.go:191", "Manifest path is not a directory or file", path=path, mode=kind
                    )
            except (OSError, ManifestError) as error:
                klog.error("file.go:187", "Could not process manifest file", _go_error(error), path=path)
        return pods

    def _extract(self, path: str) -> Pod:
        """The pod in a file. Raises ManifestError or OSError, and nothing else whatever the file holds."""
        data = self._fs.read_bytes(path, MAX_SIZE)
        before, pod = self._decoded.pop(path, (b"", None))
        if pod is None or before != data:
            try:
                pod = pod_from_file(data, path, self._node_name, self._version)
            except ManifestError:
                raise
            except Exception as error:
                klog.error("runtime.go:142", "Observed a panic", repr(error), path=path)
                raise ManifestError(f"{path}: {error!r}") from error
        self._decoded[path] = data, pod
        self._produced[path] = pod.full_name
        return pod

    def apply(self, path: str, change: Change) -> None:
        """What one inotify event does to the store; the touched file wins until the next scan."""
        if self._version >= FIRST_WINS:
            self.scan()
            return
        if change is Change.GONE:
            self._decoded.pop(path, None)
            key = self._produced.pop(path, None)
            if key is not None and self._pods.pop(key, None) is not None:
                self._publish(list(self._pods.values()))
            return
        try:
            if self._fs.kind(path) != "file":
                return
            pod = self._extract(path)
        except (OSError, ManifestError) as error:
            message = f'can\'t process config file "{path}": {_go_error(error)}'
            klog.error("file.go:108", "Unable to process watch event", message)
            return
        self._pods[pod.full_name] = pod
        self._publish(list(self._pods.values()))

    async def _watch(self) -> None:
        """Follow inotify for as long as the path is there; try again each second when it is not."""
        while True:
            try:
                await self._watch_once()
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    klog.error(
                        "file_linux.go:61", "Unable to read config path", _go_error(error), path=self.path
                    )
            await asyncio.sleep(RETRY_WATCH)

    async def _watch_once(self) -> None:
        from asyncinotify import Inotify, Mask

        written = Mask.CREATE | Mask.MOVED_TO | Mask.MODIFY | Mask.ATTRIB
        gone = Mask.DELETE | Mask.MOVED_FROM
        lost = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED | Mask.UNMOUNT
        single = self._fs.kind(self.path) == "file"
        target = self.path.rsplit("/", 1)[0] or "/" if single else self.path
        fd = self._fs.open(target, os.O_PATH | os.O_DIRECTORY)
        try:
            with Inotify() as inotify:
                inotify.add_watch(f"/proc/self/fd/{fd}", written | gone | Mask.DELETE_SELF | Mask.MOVE_SELF)
                async for event in inotify:
                    if event.mask & lost:
                        return
                    if event.mask & Mask.Q_OVERFLOW:
                        self.scan()
                    name = str(event.name) if event.name else ""
                    path = f"{target.rstrip('/')}/{name}"
                    if not name or name.startswith(".") or (single and path != self.path):
                        continue
                    self.apply(path, Change.GONE if event.mask & gone else Change.WRITTEN)
        finally:
            os.close(fd)


def _go_error(error: Exception) -> str:
    """An error in Go's words: `open /x: no such file or directory`."""
    if isinstance(error, OSError) and error.filename:
        return f"open {error.filename}: {reason_of(error)}"
    return str(error)
