"""The few kernel calls that Python 3.11 has no name for, and which users a new namespace may know.

Called by `labs.nodes.cluster_init` (making a cluster), `labs.nodes.removal` (deleting files of its users)
and `labs.nodes.doctor` (trying whether this machine allows it). All of it must run in the main thread of
a process with no other thread: the kernel refuses a user namespace to any other.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4

#: How many users a node has when this machine can give that many: root, nobody and all between.
USERS = 65536

#: As root, the host's number of the node's uid 0: far above the ranges that useradd hands out.
ROOT_BASE = 1_000_000_000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones of one's own."""
    _check(_libc.unshare(flags), "unshare")


def setns(namespace: int, kind: int) -> None:
    """Join the namespace that the open file `namespace` stands for."""
    _check(_libc.setns(namespace, kind), "setns")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    encoded = (source.encode(), target.encode(), kind.encode() if kind else None)
    result = _libc.mount(*encoded, ctypes.c_ulong(flags), data.encode() if data else None)
    _check(result, f"mount {source} on {target}")


def bind(source: Path, target: Path) -> None:
    """Show `source`, with everything mounted below it, at `target`, which is made if it is missing."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(str(source), str(target), flags=MS_BIND | MS_REC)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that forked it (in process `parent`) ends.

    A change of uid clears both this and "dumpable" (without which even an ancestor may not write this
    process' uid_map), so call it again after each.
    """
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl PR_SET_DUMPABLE")
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl PR_SET_PDEATHSIG")
    if os.getppid() != parent:  # it ended before the kernel knew
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class IdMap:
    """Which users and groups a user namespace knows: extents of (inside, outside, count)."""

    uids: tuple[tuple[int, int, int], ...]
    gids: tuple[tuple[int, int, int], ...]

    @property
    def single(self) -> bool:
        """Root is the only user, so `runAsUser` and `chown` to another are impossible."""
        return sum(count for _, _, count in self.uids) == 1

    @property
    def setgroups(self) -> str:
        """The kernel lets an ordinary user map a gid only where setgroups(2) is refused."""
        return "deny" if self.single else "allow"

    def nested(self) -> "IdMap":
        """The same users again, for a user namespace below: extent by extent, as the kernel demands."""

        def repeat(extents: tuple[tuple[int, int, int], ...]) -> tuple[tuple[int, int, int], ...]:
            return tuple((inside, inside, count) for inside, _, count in extents)

        return IdMap(repeat(self.uids), repeat(self.gids))


def map_text(extents: tuple[tuple[int, int, int], ...]) -> str:
    """`extents` as /proc/PID/uid_map takes them."""
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in extents)


def id_maps() -> list[IdMap]:
    """What this process may ask for, best first; write them in turn until the kernel takes one."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        # never the host's own root: what `0 0 1` maps may write the host's sysctls
        extent = ((0, ROOT_BASE, USERS),)
        return [IdMap(extent, extent)]
    maps = [IdMap(((0, uid, 1),), ((0, gid, 1),))]
    subordinate = _subordinate("/etc/subuid", uid), _subordinate("/etc/subgid", uid)
    if shutil.which("newuidmap") and shutil.which("newgidmap") and all(subordinate):
        uids, gids = subordinate
        maps.insert(0, IdMap(((0, uid, 1), (1, uids, USERS - 1)), ((0, gid, 1), (1, gids, USERS - 1))))
    return maps


def _subordinate(file: str, uid: int) -> int:
    """The first of enough numbers that `file` grants this user in one piece; 0 when it does not."""
    owners = {str(uid)}
    with suppress(KeyError):  # a user may have no name
        owners.add(pwd.getpwuid(uid).pw_name)
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:  # no such file: nothing is granted
        return 0
    for line in lines:
        owner, _, grant = line.partition(":")
        start, _, count = grant.partition(":")
        if owner in owners and count.isdigit() and int(count) >= USERS - 1:
            return int(start)
    return 0


def write_id_map(pid: int, id_map: IdMap) -> None:
    """Give the process `pid`, which has just unshared its user namespace, the users of `id_map`.

    Raises `PermissionError` when this process may not hand them out (no newuidmap, or a sandbox that
    robs it of its power); nothing is written then, so a smaller map can follow.
    """
    if os.geteuid() != 0 and not id_map.single:
        for program, extents in (("newuidmap", id_map.uids), ("newgidmap", id_map.gids)):
            numbers = [str(number) for extent in extents for number in extent]
            done = subprocess.run([program, str(pid), *numbers], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise PermissionError(done.stderr.strip() or f"{program} failed")
        return
    if id_map.single:
        _write(f"/proc/{pid}/setgroups", id_map.setgroups)
    _write(f"/proc/{pid}/uid_map", map_text(id_map.uids))
    _write(f"/proc/{pid}/gid_map", map_text(id_map.gids))


def write_best_id_map(pid: int) -> IdMap:
    """Give `pid` the best map of `id_maps` that this machine lets us write, and say which."""
    *better, last = id_maps()
    for id_map in better:
        try:
            write_id_map(pid, id_map)
        except PermissionError:
            continue
        return id_map
    write_id_map(pid, last)
    return last


def _write(file: str, text: str) -> None:
    # one write(2): the kernel takes a map whole, and a buffered file would hide its refusal until close
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def become_root(id_map: IdMap) -> None:
    """Be uid 0 of the namespace that was just given `id_map`."""
    if not id_map.single:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
