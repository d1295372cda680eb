"""Which capabilities a container's process has in its pod's user namespace."""

from typing import Any

from labs.runtime.bubble import DEFAULT_CAPABILITIES

#: linux/capability.h, in its order, up to the newest that bubblewrap's libcap knows.
ALL = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
)  # fmt: skip


def granted(security: Any) -> list[str]:
    """By a LinuxContainerSecurityContext: the default set, or all if privileged, with what it adds and drops.

    Names that the kernel does not know mean nothing, as to runc. "Privileged" is all power over what belongs
    to the pod, and none over the node: the kernel checks its capabilities against the pod's own user
    namespace. There are no devices to give.
    """
    wanted = security.capabilities
    base = list(ALL) if security.privileged else list(DEFAULT_CAPABILITIES)
    add, drop = _names(wanted.add_capabilities), _names(wanted.drop_capabilities)
    if "ALL" in add:
        base = list(ALL)
    if "ALL" in drop:
        base = []
    return [name for name in ALL if (name in base or name in add) and name not in drop]


def of_user(security: Any, uid: int) -> int:
    """The capabilities of a process as the kernel writes them, one bit each: only root has any."""
    return sum(1 << ALL.index(name) for name in granted(security)) if uid == 0 else 0


def _names(listed: Any) -> list[str]:
    return [name.upper().removeprefix("CAP_") for name in listed]
