"""The bubblewrap options of sandboxes and containers. Order counts: mounts are made on top of each other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from labs.runtime.images.definition import Mount
from labs.runtime.launcher import Command

#: What containerd gives a container that asks for nothing.
DEFAULT_CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
)

#: Nothing of a sandbox outlives bubblewrap or the node.
_COMMON = ("--die-with-parent", "--new-session")


def sandbox(
    command: Command,
    rootfs: Path,
    mounts: Sequence[Mount],
    *,
    hostname: str | None,
    network: bool,
    ipc: bool,
    reaper: bool,
) -> None:
    """A pod's pause process: it keeps the namespaces that the pod does not share with the node.

    `reaper`: containers will live in its pid namespace, so bubblewrap stays there as process 1 to collect
    their orphans, which the pause process does on a real node.
    """
    command.own_users = True
    options = [*_COMMON, "--unshare-pid"]
    options += ["--unshare-net"] if network else []
    options += ["--unshare-ipc"] if ipc else []
    options += ["--unshare-uts", "--hostname", hostname] if hostname else []
    options += [] if reaper else ["--as-pid-1"]
    options += ["--cap-drop", "ALL", "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin"]
    options += ["--ro-bind", str(rootfs), "/"]
    for mount in mounts:
        options += ["--ro-bind", str(mount.source), mount.destination]
    if reaper:
        options += ["--proc", "/proc"]
    command.options += options


def root(command: Command, rootfs: Path, directory: Path, mounts: Iterable[Mount], *, overlay: bool) -> None:
    """A container's root: the image's files below a layer of its own, or a copy, and what it shows."""
    upper, work = directory / "upper", directory / "work"
    if overlay:
        command.options += ["--overlay-src", str(rootfs), "--overlay", str(upper), str(work), "/"]
    else:
        command.options += ["--bind", str(upper), "/"]
    for mount in mounts:
        command.options += ["--ro-bind", str(mount.source), mount.destination]


def system(command: Command, *, own_ipc: bool, sysfs: Path | None) -> None:
    """/proc, /dev and /sys, as every container has them; POSIX queues if its users own the ipc namespace.

    `sysfs` is mounted already, see `kernelfs`.
    """
    command.options += ["--proc", "/proc", "--dev", "/dev"]
    command.options += ["--mqueue", "/dev/mqueue"] if own_ipc else ["--dir", "/dev/mqueue"]
    command.options += ["--ro-bind", str(sysfs), "/sys"] if sysfs else []


def mask(command: Command, path: str, *, directory: bool) -> None:
    """Cover a path that a container shall not look into."""
    if directory:
        command.options += ["--tmpfs", path, "--remount-ro", path]
    else:
        command.options += ["--ro-bind", "/dev/null", path]


def bind(command: Command, fd: int, destination: str, *, readonly: bool, recursively: bool) -> None:
    """Show an open file or directory; read-only itself, or with all that is mounted in it."""
    whole = readonly and recursively
    command.options += ["--ro-bind-fd" if whole else "--bind-fd", command.pass_fd(fd), destination]
    command.options += ["--remount-ro", destination] if readonly and not whole else []


def process(
    command: Command,
    environment: dict[str, str],
    directory: str,
    capabilities: Iterable[str],
    *,
    own_pids: bool = True,
) -> None:
    """The container's process: what it is told, what it may do, where it starts."""
    options = [*_COMMON]
    options += ["--unshare-pid", "--as-pid-1"] if own_pids else []
    options += ["--cap-drop", "ALL"]
    for capability in capabilities:
        options += ["--cap-add", f"CAP_{capability}"]
    options += ["--clearenv"]
    for name, value in environment.items():
        options += ["--setenv", name, value]
    options += ["--dir", directory, "--chdir", directory]
    command.options += options
