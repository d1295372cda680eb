"""Kernel settings of a pod: those that belong to its own network and ipc namespaces, and no others."""

import re
from collections.abc import Mapping
from pathlib import Path

from labs.runtime.errors import CriError
from labs.runtime.network import PodNetwork
from labs.runtime.records import Sandbox

_OF_IPC = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax"}
_OF_IPC |= {"kernel.shmmni", "kernel.shm_rmid_forced"}
_NODE = 2  # NamespaceMode.NODE


def check(sandbox: Sandbox) -> None:
    """Refuse, in runc's words, a setting that would be the node's."""
    for name in sandbox.config.linux.sysctls:
        if not re.fullmatch(r"[\w.-]+", name):
            raise _refused(f'invalid sysctl name "{name}"')
        if name in _OF_IPC or name.startswith("fs.mqueue."):
            if sandbox.namespaces.ipc == _NODE:
                raise _refused(f'sysctl "{name}" is not allowed in the hosts ipc namespace')
        elif name.startswith("net."):
            if sandbox.host_network:
                raise _refused(f'sysctl "{name}" not allowed in host network namespace')
        else:
            raise _refused(f'sysctl "{name}" is not in a separate kernel namespace')


async def apply(sandbox: Sandbox, network: PodNetwork) -> None:
    """Write the settings of a sandbox whose namespaces are made."""
    settings = dict(sandbox.config.linux.sysctls)
    if not settings:
        return
    try:
        await network.inside(sandbox.pid, lambda: _write(settings))
    except OSError as failure:
        raise _refused(f"write sysctl {failure.filename}: {failure.strerror}") from failure


def _write(settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        Path("/proc/sys", *name.split(".")).write_text(value)


def _refused(reason: str) -> CriError:
    return CriError(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f"runc create failed: {reason}: unknown"
    )
