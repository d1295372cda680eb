"""The two views of a node's files: the clean one, where process 1 lives, and the student's.

The clean view is what bwrap made the root: the host's /usr, an /etc of our own, and the student's whole
root below /node. Whatever the student writes (`/etc/ld.so.preload`, a `sitecustomize.py`) is data there.
The student's view is a second mount namespace whose root is that /node; the student's programs enter it
together with a user namespace below ours, so that root there has no power over anything of ours.
"""

from __future__ import annotations

import errno
import os

from labs.nodes.init import syscalls
from labs.nodes.init.launch import write_maps

#: The student's root, in the clean view.
NODE = "/node"
#: Directories of the node that trusted programs find under their usual names.
SHARED = ("run", "etc/kubernetes", "var", "root", "home", "tmp", "srv", "mnt")

_IN_NODE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS


class Views:
    """Both views, made once at boot."""

    def __init__(self, maps: tuple[str, str, str]) -> None:
        self.maps = maps
        syscalls.mount("none", "/", syscalls.MS_REC | syscalls.MS_PRIVATE)
        #: The student's root directory.
        self.node = os.open(NODE, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for place in SHARED:
            self._share(place)
        self.student_mounts, self.student_users = self._make_student_namespaces()

    @property
    def student(self) -> list[tuple[int, int]]:
        """What a program of the student joins, in this order."""
        return [
            (self.student_mounts, syscalls.CLONE_NEWNS),
            (self.student_users, syscalls.CLONE_NEWUSER),
        ]

    def _share(self, place: str) -> None:
        """Bind a directory of the node to the same path in the clean view.

        The student may have replaced it by a link or a file before the node was started again: links are
        followed inside the node only, and what is no directory is left out.
        """
        try:
            self._make_directory(place)
            fd = syscalls.openat2(self.node, place, os.O_PATH | os.O_DIRECTORY, _IN_NODE)
        except OSError as failure:
            if failure.errno not in (errno.ENOTDIR, errno.ELOOP, errno.ENOENT, errno.EEXIST, errno.EACCES):
                raise
            return
        os.makedirs(f"/{place}", exist_ok=True)
        syscalls.mount(f"/proc/self/fd/{fd}", f"/{place}", syscalls.MS_BIND | syscalls.MS_REC)
        os.close(fd)

    def _make_directory(self, place: str) -> None:
        parent, _, name = place.rpartition("/")
        fd = syscalls.openat2(self.node, parent or ".", os.O_PATH | os.O_DIRECTORY, _IN_NODE)
        try:
            os.mkdir(name, 0o755, dir_fd=fd)
        except FileExistsError:
            return
        finally:
            os.close(fd)

    def _make_student_namespaces(self) -> tuple[int, int]:
        """A child makes both namespaces; they live on through our descriptors when it ends."""
        made, mapped = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        child = os.fork()
        if child == 0:
            try:
                syscalls.unshare(syscalls.CLONE_NEWNS)
                os.chdir(NODE)
                syscalls.pivot_root_here()
                syscalls.unshare(syscalls.CLONE_NEWUSER)
                os.write(made[1], b".")
                os.close(mapped[1])
                os.read(mapped[0], 1)
            except OSError as failure:
                os.write(2, f"init: cannot make the student's view: {failure}\n".encode())
            finally:
                os._exit(0)
        os.close(made[1])
        try:
            if not os.read(made[0], 1):
                raise RuntimeError("the student's view could not be made")
            proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            write_maps(proc, str(child), self.maps)
            os.close(proc)
            mounts = os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            users = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            for fd in (made[0], *mapped):
                os.close(fd)
            os.waitpid(child, 0)
        return mounts, users
