"""The node's file system as the kubelet sees it, and nothing outside it.

The kubelet may run with its own root and see the node's tree at another place (`HOST_ROOT`, default `/`).
Every path a student can influence is therefore resolved inside that tree, symlinks included, by openat2(2)
with RESOLVE_IN_ROOT: a link to `/cks` on the node means the node's `/cks`.
"""

import ctypes
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)


def reason_of(error: OSError) -> str:
    """What the system says was in the way, in Go's words: `no such file or directory`."""
    return os.strerror(error.errno or 0).lower()


class HostFs:
    """File operations below `root`. Paths are absolute, as they are written on the node."""

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self._root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def open(self, path: str, flags: int, mode: int = 0) -> int:
        """An open file descriptor. Raises OSError as os.open does."""
        how = _OpenHow(flags | os.O_CLOEXEC, mode, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        fd = _libc.syscall(
            _OPENAT2, self._root_fd, os.fsencode(path), ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how))
        )
        if fd >= 0:
            return int(fd)
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EPERM) and self.root == "/":
            return os.open(path, flags | os.O_CLOEXEC, mode)
        raise OSError(number, os.strerror(number), path)

    @contextmanager
    def _at(self, path: str) -> Iterator[tuple[int, str]]:
        """The open parent directory of `path` and its last name, for `dir_fd` calls."""
        pure = PurePosixPath(path)
        parent = self.open(str(pure.parent), os.O_PATH | os.O_DIRECTORY)
        try:
            yield parent, pure.name
        finally:
            os.close(parent)

    def stat(self, path: str) -> os.stat_result:
        """What is at `path`, symlinks followed."""
        fd = self.open(path, os.O_PATH)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def kind(self, path: str) -> str | None:
        """`dir`, `file`, `socket`, `block`, `char`, `fifo`, or None when nothing is there."""
        try:
            mode = self.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        names = {
            stat.S_IFDIR: "dir",
            stat.S_IFREG: "file",
            stat.S_IFSOCK: "socket",
            stat.S_IFBLK: "block",
            stat.S_IFCHR: "char",
            stat.S_IFIFO: "fifo",
        }
        return names.get(stat.S_IFMT(mode), "other")

    def read_bytes(self, path: str, limit: int = -1) -> bytes:
        """The content of a regular file, at most `limit` bytes."""
        with os.fdopen(self.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(limit)

    def read_text(self, path: str) -> str:
        return self.read_bytes(path).decode(errors="replace")

    def write_bytes(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Make or replace a file's content, with exactly this mode when it is made."""
        with os.fdopen(
            self.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "wb"
        ) as file:
            file.write(data)

    def listdir(self, path: str) -> list[str]:
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.listdir(fd))  # noqa: PTH208 - a descriptor has no Path
        finally:
            os.close(fd)

    def makedirs(self, path: str, mode: int = 0o755) -> None:
        """Make a directory and its missing parents."""
        try:
            with self._at(path) as (parent, name):
                self._mkdir(parent, name, mode)
        except FileNotFoundError:
            self.makedirs(str(PurePosixPath(path).parent), 0o755)
            with self._at(path) as (parent, name):
                self._mkdir(parent, name, mode)

    @staticmethod
    def _mkdir(parent: int, name: str, mode: int) -> None:
        try:
            os.mkdir(name, mode, dir_fd=parent)
        except FileExistsError:
            return
        os.chmod(name, mode, dir_fd=parent, follow_symlinks=True)

    def symlink(self, target: str, path: str) -> None:
        """A symlink at `path`, in place of whatever link was there."""
        with self._at(path) as (parent, name):
            try:
                os.symlink(target, name, dir_fd=parent)
            except FileExistsError:
                os.unlink(name, dir_fd=parent)
                os.symlink(target, name, dir_fd=parent)

    def remove(self, path: str) -> None:
        """Unlink a file or link; nothing there is fine."""
        try:
            with self._at(path) as (parent, name):
                os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return

    def chmod(self, path: str, mode: int) -> None:
        """Set a mode, whatever the umask. Raises OSError."""
        fd = self.open(path, os.O_PATH)
        try:
            os.chmod(f"/proc/self/fd/{fd}", mode)  # noqa: PTH101 - a descriptor has no Path
        finally:
            os.close(fd)

    def give_to_group(self, path: str, group: int, read_only: bool) -> None:
        """Let a group use a tree: its group, its bits, and what is made in its directories later."""
        with self._at(path) as (parent, name):
            self._give(parent, name, group, 0o440 if read_only else 0o660)

    def _give(self, parent: int, name: str, group: int, mask: int) -> None:
        os.chown(name, -1, group, dir_fd=parent, follow_symlinks=False)
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            return
        wanted = stat.S_IMODE(mode) | mask
        if stat.S_ISDIR(mode):
            wanted |= stat.S_ISGID | 0o110
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            try:
                for child in os.listdir(fd):  # noqa: PTH208 - a descriptor has no Path
                    self._give(fd, child, group, mask)
                os.fchmod(fd, wanted)
            finally:
                os.close(fd)
        else:
            os.chmod(name, wanted, dir_fd=parent)

    def rename(self, old: str, new: str) -> None:
        """Rename within a directory. Raises OSError."""
        with self._at(old) as (parent, name):
            os.replace(name, PurePosixPath(new).name, src_dir_fd=parent, dst_dir_fd=parent)

    def readlink(self, path: str) -> str | None:
        """Where a symlink leads; None when there is none."""
        try:
            with self._at(path) as (parent, name):
                return os.readlink(name, dir_fd=parent)
        except OSError:
            return None

    def realpath(self, path: str) -> str:
        """The path with no symlink left in it, on the node. Raises OSError when nothing is there."""
        fd = self.open(path, os.O_PATH)
        try:
            real = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - a descriptor has no Path
        finally:
            os.close(fd)
        return "/" + real.removeprefix(self.root).lstrip("/")

    def mount_tmpfs(self, path: str, size: int) -> bool:
        """Put a memory file system there, once; False where mounts of this process are not the node's.

        Raises OSError.
        """
        if self.root != "/":
            return False
        if not self.is_mount(path):
            self._mount(path, f"size={size}" if size else "")
        return True

    def _mount(self, path: str, options: str) -> None:
        fd = self.open(path, os.O_PATH | os.O_DIRECTORY)
        try:
            target = f"/proc/self/fd/{fd}".encode()
            if _libc.mount(b"tmpfs", target, b"tmpfs", 0, options.encode()):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(fd)

    def is_mount(self, path: str) -> bool:
        """Whether another file system begins there."""
        return self.stat(path).st_dev != self.stat(str(PurePosixPath(path).parent)).st_dev

    def unmount(self, path: str) -> None:
        """Take a file system away. Raises OSError."""
        if _libc.umount2(os.fsencode(path), 0):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory. Raises OSError."""
        with self._at(path) as (parent, name):
            os.rmdir(name, dir_fd=parent)

    def rmtree(self, path: str) -> None:
        """Remove a directory with all in it; nothing there is fine. Links are removed, not followed."""
        try:
            with self._at(path) as (parent, name):
                shutil.rmtree(name, dir_fd=parent)
        except FileNotFoundError:
            return
