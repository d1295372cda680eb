"""Which users a pod may have: the map of its user namespace, and who a container runs as.

A pod has a user namespace of its own, with the same users as the node, so that root in a pod is nothing
on the node but may own the pod's files. Which users there are is the machine's gift: all of 65,536 as
root or with `newuidmap`; root alone otherwise.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime.errors import InvalidArgumentError

_TOO_FEW = (
    "runAsUser: user or group {number} does not exist on this node, which has {count} of 65536: "
    "install the package `uidmap` (newuidmap) on the machine and make the cluster anew"
)


@functools.cache
def nested_map(kind: str) -> str:
    """The users (`uid`) or groups (`gid`) of this process, for a user namespace below: extent by extent."""
    lines = Path(f"/proc/self/{kind}_map").read_text().splitlines()
    extents = [(inside, count) for inside, _, count in (line.split() for line in lines)]
    return "".join(f"{inside} {inside} {count}\n" for inside, count in extents)


def _exists(kind: str, number: int) -> bool:
    extents = [line.split() for line in nested_map(kind).splitlines()]
    return any(int(inside) <= number < int(inside) + int(count) for inside, _, count in extents)


@dataclass(frozen=True)
class User:
    """Whom a container runs as."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


ROOT = User()


@dataclass(frozen=True)
class Accounts:
    """Users and groups by name, as an image's /etc/passwd and /etc/group have them."""

    passwd: str
    group: str

    @classmethod
    @functools.cache
    def of(cls, rootfs: Path) -> "Accounts":
        """Those of an image, whose files never change; one that is missing names nobody."""
        files = (rootfs / "etc/passwd", rootfs / "etc/group")
        return cls(*(file.read_text() if file.exists() else "" for file in files))

    def user(self, name: str) -> tuple[int, int, str]:
        """(uid, gid, name) of a name or number; a number that nobody has is a user without a name."""
        for entry in _entries(self.passwd, 7):
            if name in (entry[0], entry[2]):
                return int(entry[2]), int(entry[3]), entry[0]
        if not name.isdigit():
            raise InvalidArgumentError(f"failed to apply user option: no users found for {name}")
        return int(name), 0, ""

    def gid(self, group: str) -> int:
        """Of a name or number."""
        for entry in _entries(self.group, 4):
            if group in (entry[0], entry[2]):
                return int(entry[2])
        if not group.isdigit():
            raise InvalidArgumentError(f"failed to apply user option: no groups found for {group}")
        return int(group)

    def memberships(self, user: str) -> set[int]:
        """The groups that list `user` among their members."""
        return {int(entry[2]) for entry in _entries(self.group, 4) if user and user in entry[3].split(",")}


def _entries(text: str, fields: int) -> list[list[str]]:
    return [line.split(":") for line in text.splitlines() if line.count(":") == fields - 1]


def run_as(security: Any, image_user: str, accounts: Accounts) -> User:
    """The user that a LinuxContainerSecurityContext and the image ask for.

    Raises `InvalidArgumentError` for one that the node cannot have.
    """
    if security.HasField("run_as_group") and not (
        security.HasField("run_as_user") or security.run_as_username
    ):
        raise InvalidArgumentError("failed to generate user string: user group is specified without user")
    name, _, group = image_user.partition(":")
    if security.HasField("run_as_user"):
        name, group = str(security.run_as_user.value), ""
    elif security.run_as_username:
        name, group = security.run_as_username, ""
    uid, gid, known_as = accounts.user(name or "0")
    if group:
        gid = accounts.gid(group)
    if security.HasField("run_as_group"):
        gid = int(security.run_as_group.value)
    groups = {int(each) for each in security.supplemental_groups}
    if security.supplemental_groups_policy != cri.Strict:
        groups |= accounts.memberships(known_as)
    count = sum(int(line.split()[2]) for line in nested_map("uid").splitlines())
    for kind, number in (("uid", uid), ("gid", gid), *(("gid", each) for each in sorted(groups))):
        if not _exists(kind, number):
            raise InvalidArgumentError(_TOO_FEW.format(number=number, count=count))
    # without setgroups(2) root has the groups that it has
    return User(uid, gid, tuple(sorted(groups)) if uid or gid or count > 1 else ())
