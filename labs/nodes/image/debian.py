"""The base of a node image from Debian's packages, for machines that reach a mirror but no registry."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from docker.models.images import Image as DockerImage

from labs.nodes.image.errors import ImageBuildError
from labs.nodes.image.names import BASE, DEBIAN, RECIPE

#: What kind's base image installs, the shell's tools of our nodes, and Python.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "kmod", "procps", "util-linux", "mount"),
    *("containerd", "runc", "containernetworking-plugins", "catatonit"),
    *("conntrack", "ethtool", "iproute2", "iptables", "iputils-ping", "socat", "curl", "ca-certificates"),
    *(
        "bash-completion",
        "busybox-static",
        "jq",
        "less",
        "openssl",
        "psmisc",
        "strace",
        "vim-tiny",
        "xz-utils",
    ),
    "python3",
)
#: Nobody reads these on a node.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")


def debian_recipe() -> str:
    """A digest of what the base is made from; `ImageBuildError` on a machine of another distribution."""
    return hashlib.sha256(json.dumps([_suite(), PACKAGES, _LEFT_OUT]).encode()).hexdigest()


def debian_base(client: docker.DockerClient, tell: Callable[[str], None]) -> DockerImage:
    """The base image, made now unless it is there; `ImageBuildError` when it cannot be."""
    recipe = debian_recipe()
    tag = f"{BASE}:{DEBIAN}"
    try:
        image = client.images.get(tag)
        if image.labels.get(RECIPE) == recipe:
            return image
    except ImageNotFound:
        pass
    require_tools()
    tell("installing Debian's packages, which takes a minute or two")
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        archive = Path(directory) / "base.tar"
        _bootstrap(_suite(), archive)
        tell("importing the base into Docker")
        changes = [f"LABEL {RECIPE}={recipe}"]
        client.api.import_image_from_file(str(archive), repository=BASE, tag=DEBIAN, changes=changes)
    return client.images.get(tag)


def _suite() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {"ID": "", "NAME": platform.system()}
    suite = release.get("VERSION_CODENAME", "")
    if "debian" not in (release["ID"], *release.get("ID_LIKE", "").split()) or not suite:
        name = release["NAME"]
        raise ImageBuildError(
            f"--from-debian needs a Debian machine, and this is {name}: pull kindest/node instead"
        )
    return suite


def require_tools() -> None:
    """`ImageBuildError` when this user, or this machine, cannot make a base."""
    if os.geteuid() != 0:
        raise ImageBuildError("--from-debian needs root, to unpack packages: run it with sudo")
    if shutil.which("mmdebstrap") is None:
        raise ImageBuildError("--from-debian needs mmdebstrap: apt-get install mmdebstrap")


def _bootstrap(suite: str, archive: Path) -> None:
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    command += [f"--aptopt={setting}" for setting in _settings()]
    made = subprocess.run(
        [*command, suite, str(archive), *map(str, _sources(suite))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if made.returncode:
        complaints = [line for line in made.stderr.splitlines() if line.startswith("E: ")]
        raise ImageBuildError(f"mmdebstrap failed: {' '.join(complaints or made.stderr.splitlines()[-1:])}")


def _sources(suite: str) -> list[Path]:
    """The files in which this machine's apt says where the suite comes from."""
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    files += sorted((apt / "sources.list.d").glob("*.sources"))
    return [file for file in files if file.is_file() and suite in file.read_text().split()]


def _settings() -> list[str]:
    """How this machine's apt fetches: proxies, certificates, snapshots that may be old."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return [
        line
        for line in dump.splitlines()
        if line.startswith("Acquire::") and "::IndexTargets::" not in line and not line.endswith('"";')
    ]
