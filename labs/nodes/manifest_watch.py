"""What lies in a node's manifests directory, seen from outside the node: the `file` records.

The directory belongs to the student, and the supervisor may be the host's root: every path is resolved
with the rootfs as its root (openat2), only regular files are read, and never more than a manifest's worth.
"""

import ctypes
import hashlib
import os
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from asyncinotify import Event, Inotify, Mask, Watch

DIRECTORY = "etc/kubernetes/manifests"

#: The kubelet takes larger files, too, but no manifest is that long.
SIZE_LIMIT = 1 << 20

_SYS_OPENAT2 = 437  # the same on every architecture
_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10

_CHANGES = Mask.CLOSE_WRITE | Mask.CREATE | Mask.MOVE | Mask.DELETE | Mask.ATTRIB
_PARENT_CHANGES = Mask.CREATE | Mask.MOVE | Mask.DELETE | Mask.ONLYDIR

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Manifest:
    """One file as it was when it was looked at."""

    inode: int
    sha256: str | None
    content: str | None
    """None when there is no reading it: not a regular file, too large, or closed to this user."""


#: Told of each change: the file's path on the node, and what it is now (None when it is gone).
Listener = Callable[[str, Manifest | None], None]


def open_in_root(root: int, path: str, flags: int) -> int:
    """Open `path` as a process whose root directory is `root` would; `OSError` like open(2)."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    descriptor = _libc.syscall(_SYS_OPENAT2, root, path.encode(), how, len(how))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(descriptor)


def _counts(name: str) -> bool:
    """The kubelet, too, ignores names that begin with a dot."""
    return bool(name) and not name.startswith(".")


class ManifestWatch:
    """Notices each file that is written, moved or removed, also when the directory itself is replaced."""

    def __init__(self, rootfs: Path, listener: Listener) -> None:
        self._root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._listener = listener
        self._seen: dict[str, Manifest] = {}
        self._inotify = Inotify()
        self._watches: dict[str, Watch] = {}
        self._arm()
        self.scan()

    async def run(self) -> None:
        """Watch until cancelled."""
        async for event in self._inotify:
            self._handle(event)

    def _handle(self, event: Event) -> None:
        if event.watch is not self._watches.get(DIRECTORY):
            if self._leads_to_the_directory(event):
                self._arm()
                self.scan()
            return
        name = str(event.name or "")
        if event.mask & Mask.CREATE and self._is_being_written(name):
            return  # its first full content comes with CLOSE_WRITE
        if _counts(name):  # this one alone: with hundreds of files a scan for each is the square of it
            self._compare(name, self._look(name))

    def _leads_to_the_directory(self, event: Event) -> bool:
        """Whether it is about the directory's own name, and not about what lies beside it."""
        parent = next((path for path, watch in self._watches.items() if watch is event.watch), None)
        if parent is None or event.name is None:  # of a directory that was replaced, or of one that has gone
            return True
        return f"{DIRECTORY}/".startswith(f"{parent}/{event.name}/")

    def _is_being_written(self, name: str) -> bool:
        try:
            handle = open_in_root(self._root, f"{DIRECTORY}/{name}", os.O_PATH | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            status = os.fstat(handle)
        finally:
            os.close(handle)
        return stat.S_ISREG(status.st_mode) and status.st_nlink == 1

    def _arm(self) -> None:
        """Watch the directory and those it is in: a new one may take its place."""
        parts = DIRECTORY.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            mask = _CHANGES | Mask.ONLYDIR if path == DIRECTORY else _PARENT_CHANGES
            try:
                descriptor = open_in_root(self._root, path, os.O_PATH | os.O_DIRECTORY)
            except OSError:
                self._watches.pop(path, None)
                continue
            try:
                self._watches[path] = self._inotify.add_watch(f"/proc/self/fd/{descriptor}", mask)
            finally:
                os.close(descriptor)

    def scan(self) -> None:
        """Compare the directory with what was last seen, and tell of each difference."""
        found = self._list()
        for name in sorted(self._seen.keys() - found.keys()):
            self._compare(name, None)
        for name, manifest in sorted(found.items()):
            self._compare(name, manifest)

    def _compare(self, name: str, manifest: Manifest | None) -> None:
        """Tell of one file if it is not what was last seen."""
        if self._seen.get(name) == manifest:
            return
        if manifest is None:
            del self._seen[name]
        else:
            self._seen[name] = manifest
        self._listener(f"/{DIRECTORY}/{name}", manifest)

    def _list(self) -> dict[str, Manifest]:
        try:
            directory = open_in_root(self._root, DIRECTORY, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # removed, or replaced by something else: the kubelet sees no manifest either
            return {}
        try:
            with os.scandir(directory) as entries:
                names = [entry.name for entry in entries if _counts(entry.name)]
        finally:
            os.close(directory)
        found = {name: self._look(name) for name in names}
        return {name: manifest for name, manifest in found.items() if manifest is not None}

    def _look(self, name: str) -> Manifest | None:
        path = f"{DIRECTORY}/{name}"
        try:
            handle = open_in_root(self._root, path, os.O_PATH)
        except OSError:  # gone again, or a link to nothing
            return None
        try:
            status = os.fstat(handle)
            unreadable = Manifest(status.st_ino, None, None)
            if not stat.S_ISREG(status.st_mode) or status.st_size > SIZE_LIMIT:
                return unreadable
            try:
                # only now that it is known to be a file: opening a pipe waits, opening a device may act
                with Path(f"/proc/self/fd/{handle}").open("rb") as file:
                    data = file.read(SIZE_LIMIT)
            except PermissionError:
                return unreadable
            return Manifest(status.st_ino, hashlib.sha256(data).hexdigest(), data.decode(errors="replace"))
        finally:
            os.close(handle)

    def close(self) -> None:
        """Stop watching."""
        self._inotify.close()
        os.close(self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
