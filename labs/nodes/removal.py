"""Whether a cluster's supervisor lives, and deleting what a stopped cluster leaves: its directory."""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

from labs.errors import LabsError
from labs.nodes import boot, namespaces

#: struct flock of Linux on 64-bit machines: type, whence, start, length, pid.
_FLOCK = "hhqqi4x"

LOCK = "supervisor.lock"


class StillRunningError(LabsError):
    """The cluster has a supervisor."""


class NotRemovedError(LabsError):
    """Something in the directory resists."""


def running(directory: Path) -> int | None:
    """The pid of the live supervisor of the cluster in `directory`; None when there is none.

    Asks the kernel who holds the lock, without taking it for a moment oneself.
    """
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(lock, fcntl.F_GETLK, wanted))
    finally:
        os.close(lock)
    return None if kind == fcntl.F_UNLCK else int(pid)


def remove(directory: Path) -> None:
    """Delete the directory of a stopped cluster. `StillRunningError` when it is none."""
    if (pid := running(directory)) is not None:
        raise StillRunningError(f"cluster '{directory.name}' is running (process {pid}): stop it first")
    delete(directory)


def delete(directory: Path) -> None:
    """Delete what nodes have used, whoever its files belong to; nothing is no error."""
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except PermissionError:
        # files of the node's other users, and directories closed even to their owner: only a root
        # that has these users may delete them, and making one takes a process without threads
        command = [sys.executable, "-P", boot.__file__, "labs.nodes.removal", str(directory)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = done.stderr.strip().rpartition("\n")[2]
            raise NotRemovedError(f"{directory} could not be deleted: {reason}") from None


def _remove_as_node_root(directory: Path) -> int:
    """Delete `directory` in a user namespace with a node's users; the exit status."""
    ready, unshared = os.pipe()
    mapped, go = os.pipe()
    child = os.fork()
    if child == 0:
        namespaces.unshare(namespaces.CLONE_NEWUSER)
        os.write(unshared, b".")
        os.close(go)
        os.read(mapped, 1)
        shutil.rmtree(directory)
        os._exit(0)
    os.close(unshared)
    if os.read(ready, 1):
        namespaces.write_best_id_map(child)
    os.close(go)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(_remove_as_node_root(Path(sys.argv[1])))
