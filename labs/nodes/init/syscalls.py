"""The Linux calls that Python 3.11 does not wrap: namespaces, mounts, paths that others control."""

from __future__ import annotations

import ctypes
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

#: The names that `/proc/PID/ns` gives the kinds.
NAMESPACES = {
    "user": CLONE_NEWUSER,
    "pid": CLONE_NEWPID,
    "net": CLONE_NEWNET,
    "ipc": CLONE_NEWIPC,
    "uts": CLONE_NEWUTS,
    "mnt": CLONE_NEWNS,
}

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

#: openat2(2): stay below the directory, as if it were the root.
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

TIOCGPTPEER = 0x5441
TIOCSPTLCK = 0x40045431

_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_NAME = 15
_PR_SET_TIMERSLACK = 29
_OPENAT2 = 437
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> int:
    result = int(getattr(_libc, name)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces of these kinds for new ones."""
    _call("unshare", flags)


def setns(fd: int, kinds: int) -> None:
    """Enter a namespace; with a pidfd, all of that process's namespaces of these kinds at once."""
    _call("setns", fd, kinds)


def mount(source: str, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    _call(
        "mount",
        source.encode(),
        target.encode(),
        kind and kind.encode(),
        ctypes.c_ulong(flags),
        options and options.encode(),
    )


def unmount(target: str) -> None:
    """Detach a mount and all below it, even where it is in use."""
    _call("umount2", target.encode(), MNT_DETACH)


def pivot_root_here() -> None:
    """Make the working directory, a mount point, the root, and drop the former root.

    Both arguments of pivot_root(2) may be `.`: the former root then lies on top of the new one,
    from where it is detached.
    """
    _call("syscall", _PIVOT_ROOT[os.uname().machine], b".", b".")
    unmount(".")
    os.chdir("/")


def set_dumpable(dumpable: bool) -> None:
    """Whether processes of the same uid may look into this one's memory and descriptors."""
    _call("prctl", _PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def limit_capabilities(kept: int) -> None:
    """Have no program executed from here on gain a capability but those whose bits are set in `kept`."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) < 0:  # more than this kernel knows
            return
        if not kept >> capability & 1:
            _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)


def set_no_new_privileges() -> None:
    """Have no program executed from here on gain anything by a set-uid bit."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def set_name(name: str) -> None:
    """What `ps` and `top` call this process."""
    _call("prctl", _PR_SET_NAME, name.encode(), 0, 0, 0)


def set_timer_slack(nanoseconds: int) -> None:
    """How late the kernel may end the waits of this process and of all that it starts, to join wake-ups."""
    _call("prctl", _PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0)


def openat2(directory: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """Open a path in a tree that somebody else controls, under the rules of `resolve`."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)
    while True:
        try:
            return _call("syscall", _OPENAT2, directory, path.encode(), how, ctypes.c_size_t(len(how)))
        except BlockingIOError:  # a rename raced with the walk: the kernel asks to try again
            continue
