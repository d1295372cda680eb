"""What the embedded backend needs of this machine: tried, not guessed; and what to do where it is refused."""

import errno
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.nodes import boot, namespaces
from labs.nodes.cluster_init import NamespaceRefusedError, Step

_SYS = Path("/proc/sys")
_CAP_SYS_ADMIN = 1 << 21

#: inotify instances that a cluster takes: the supervisor's, the kubelet's, and those of a few shells.
_INOTIFY_INSTANCES = 16

_CONTAINER_OPTIONS = (
    "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined"
)


@dataclass(frozen=True)
class Need:
    """One thing that is needed of this machine."""

    name: str
    ok: bool
    required: bool
    """Without it there is no node; otherwise only what `found` names is missing."""
    found: str
    mend: str
    """The one thing to do; empty when nothing is to be mended."""


def needs() -> list[Need]:
    """Try each need of the embedded backend."""
    command = [sys.executable, "-P", boot.__file__, "labs.nodes.probe"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        return [Need("sandbox", False, True, last, "run `make setup` again"), _inotify()]
    return [*_findings(json.loads(done.stdout), done.stderr.strip()), _inotify()]


def _findings(seen: dict[str, Any], said: str) -> list[Need]:
    if "refused" in seen:
        refusal = NamespaceRefusedError(*seen["refused"])
        cause, mend = diagnose(refusal)
        return [Need("user namespaces", False, True, f"{refusal}: {cause}", mend)]
    many = seen["users"] == namespaces.USERS
    users = (
        Need("users of a node", True, False, f"{namespaces.USERS}", "")
        if many
        else Need(
            "users of a node",
            False,
            False,
            "root only, so runAsUser and chown to others are refused",
            "install newuidmap (Debian: apt install uidmap) and get 65536 ids in /etc/subuid and subgid",
        )
    )
    return [
        Need("user namespaces", True, True, "with mounts, /proc, a bridge and a cable", ""),
        Need(
            "containers in a node",
            seen["sandbox"],
            True,
            "nested sandbox with its own /proc" if seen["sandbox"] else said.partition("\n")[0],
            "" if seen["sandbox"] else diagnose(NamespaceRefusedError(Step.PROC, errno.EPERM, said))[1],
        ),
        Need(
            "writable layers",
            seen["overlay"],
            False,
            "overlayfs" if seen["overlay"] else "no overlayfs for users: images are copied, which is slower",
            "" if seen["overlay"] else "use a kernel of version 5.11 or newer",
        ),
        users,
    ]


def _inotify() -> Need:
    limit = int((_SYS / "fs/inotify/max_user_instances").read_text())
    ok = limit >= _INOTIFY_INSTANCES
    mend = "" if ok else "sudo sysctl -w fs.inotify.max_user_instances=128"
    return Need("inotify", ok, True, f"{limit} instances for each user", mend)


def explain_refusal(refusal: NamespaceRefusedError) -> str:
    """One line for who wanted a cluster: what was refused, by what, and the one thing to do."""
    cause, mend = diagnose(refusal)
    return f"this machine refuses a node its namespaces ({refusal}): {cause}; {mend}"


def diagnose(refusal: NamespaceRefusedError) -> tuple[str, str]:
    """Why a step was refused, and the one thing to do about it."""
    if _setting("user/max_user_namespaces") == 0:
        return "user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=15000"
    if _setting("kernel/unprivileged_userns_clone") == 0:
        return "kernel.unprivileged_userns_clone is 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == 1:
        name = "kernel.apparmor_restrict_unprivileged_userns"
        return f"{name} is 1 (AppArmor's rule on Ubuntu)", f"sudo sysctl -w {name}=0"
    if refusal.errno in (errno.ENOSPC, errno.EUSERS):
        return "the limit of user namespaces is reached", "end what holds them (lsns -t user lists it)"
    if refusal.step == Step.PROC:
        return "parts of /proc are masked, as in a container", _CONTAINER_OPTIONS
    if refusal.step == Step.USERS:
        return "this process' own users are too few", "run it as an ordinary user, not as a container's root"
    status = _status()
    if status.get("Seccomp") == "2" and refusal.errno == errno.EPERM:
        return "a seccomp profile forbids it, as in a container", _CONTAINER_OPTIONS
    if not int(status.get("CapBnd", "0"), 16) & _CAP_SYS_ADMIN and refusal.errno == errno.EPERM:
        return "this process is confined, as in a container", _CONTAINER_OPTIONS
    return "the kernel gives no reason", "ask whoever runs this machine about unprivileged user namespaces"


def _setting(name: str) -> int | None:
    """A sysctl; None where this kernel does not have it."""
    try:
        return int((_SYS / name).read_text())
    except OSError:
        return None


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
