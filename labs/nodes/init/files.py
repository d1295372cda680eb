"""Files of the node that process 1 reads and writes, whatever the student has put in their place."""

from __future__ import annotations

import errno
import os
import stat

from labs.nodes.init import syscalls

#: Links are followed inside the node only, never into /proc or another mount.
_RULES = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS | syscalls.RESOLVE_NO_XDEV

#: No file that process 1 reads is meant to be larger.
READ_MAX = 1024 * 1024


class NodeFiles:
    """The student's root directory, entered with care. Paths are relative to it or absolute in it.

    Every method raises `OSError` for what is not there or not a plain file; none can be led outside the
    node, blocked by a pipe, or made to write into /proc.
    """

    def __init__(self, root: int) -> None:
        self._root = root

    def read(self, path: str) -> tuple[str, os.stat_result]:
        """The text of a plain file of reasonable size, and what the file was then."""
        fd = self._open(path, os.O_RDONLY)
        try:
            status = os.fstat(fd)
            data = os.read(fd, READ_MAX + 1)
            if len(data) > READ_MAX:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
            return data.decode("utf-8", "replace"), status
        finally:
            os.close(fd)

    def stat(self, path: str) -> os.stat_result:
        fd = syscalls.openat2(self._root, path, os.O_PATH, _RULES)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def link(self, path: str) -> str | None:
        """Where a symbolic link points; None when the path is none."""
        try:
            fd = syscalls.openat2(self._root, path, os.O_PATH | os.O_NOFOLLOW, _RULES)
        except OSError:
            return None
        try:
            return os.readlink("", dir_fd=fd)
        except OSError:  # it is no link
            return None
        finally:
            os.close(fd)

    def names(self, directory: str) -> list[str]:
        """What a directory holds, sorted; nothing when it is not there."""
        try:
            fd = syscalls.openat2(self._root, directory, os.O_RDONLY | os.O_DIRECTORY, _RULES)
        except OSError:
            return []
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def append(self, path: str, parents: bool = False) -> int:
        """Open a plain file for appending, made if it is missing; the descriptor is the caller's to close."""
        try:
            return self._open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        except FileNotFoundError:
            if not parents:
                raise
        self._make_parents(path)
        return self._open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)

    def rename(self, directory: str, name: str, new_name: str) -> None:
        """Give a file in this directory another name."""
        fd = syscalls.openat2(self._root, directory, os.O_PATH | os.O_DIRECTORY, _RULES)
        try:
            os.rename(name, new_name, src_dir_fd=fd, dst_dir_fd=fd)
        finally:
            os.close(fd)

    def _open(self, path: str, flags: int, mode: int = 0) -> int:
        fd = syscalls.openat2(self._root, path, flags | os.O_NONBLOCK | os.O_NOCTTY, _RULES, mode)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "not a regular file", path)
        return fd

    def _make_parents(self, path: str) -> None:
        parent = ""
        for name in path.strip("/").split("/")[:-1]:
            fd = syscalls.openat2(self._root, parent or ".", os.O_PATH | os.O_DIRECTORY, _RULES)
            try:
                os.mkdir(name, 0o755, dir_fd=fd)
            except FileExistsError:
                pass
            finally:
                os.close(fd)
            parent = f"{parent}/{name}"
