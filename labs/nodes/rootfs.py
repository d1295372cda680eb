"""The root directory of a node, as its distribution would have installed it.

A node shares /usr with the host, read-only; all else is its own. What programs below /usr expect to find
in /etc (the loader's cache, `alternatives`, the bundle of public certificates) is therefore copied from the
host, and everything that says who this machine is, is the node's.
"""

import shlex
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from labs.nodes import cni, etc, units
from labs.nodes.files import link, make_directory, write_file

#: The environment of every student shell, beside TERM.
ENVIRONMENT = {
    "PATH": etc.PATH,
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "KUBECONFIG": "/etc/kubernetes/admin.conf",
}

#: Directories of a node that others mount over or write to, with their modes.
DIRECTORIES = {
    "dev": 0o755,
    "etc/cni/net.d": 0o755,
    "etc/kubernetes": 0o755,
    "etc/profile.d": 0o755,
    "home": 0o755,
    "mnt": 0o755,
    "opt/cks-labs": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "srv": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr": 0o755,
    "var/lib/containerd": 0o711,
    "var/lib/etcd": 0o700,
    "var/lib/kubelet": 0o755,
    "var/log/containers": 0o755,
    "var/log/journal": 0o755,
    "var/log/pods": 0o755,
    "var/tmp": 0o1777,
}

#: Where distributions keep the one file with all public certificates.
CERTIFICATE_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
#: Files of the host's /etc that belong to its /usr.
OF_THE_HOST = ("ld.so.cache", "ld.so.conf", "services", "protocols", "login.defs")
#: Where distributions have what `openssl req` cannot do without; the kubelet and its runtime need none of it.
OPENSSL_CONFIGURATION = ("ssl/openssl.cnf", "pki/tls/openssl.cnf")

#: The editor of nodes whose host has no vi at all.
BUNDLED_EDITOR = "pyvim"

#: Programs of the project that stand on a node under the names of the real ones.
TOOLS = ("crictl", "journalctl", "systemctl", "sudo")
#: Real programs, and the names they have on a node.
BINARIES = {"kubectl": "kubectl", "k": "kubectl", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
BOOT = "/opt/cks-labs/src/labs/nodes/boot.py"


def write(
    root: Path,
    hostname: str,
    address: str,
    pod_cidr: str = "10.244.0.0/24",
    others: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Lay out a new node's root directory: the links to /usr, empty directories, /etc and root's home.

    `others` are the cluster's further nodes with their addresses, which it knows by name.
    """
    make_directory(root)
    _link_to_usr(root)
    for directory, mode in DIRECTORIES.items():
        make_directory(root / directory, mode)
    link(root / "var/run", "/run")
    link(root / "var/lock", "/run/lock")
    _write_etc(root / "etc", hostname, address, others)
    _copy(OPENSSL_CONFIGURATION, root / "etc")
    units.write(root)
    cni.write(root, pod_cidr)
    for name, text in {
        "shadow": etc.SHADOW,
        "profile": etc.PROFILE,
        "bash.bashrc": etc.BASH_BASHRC,
        "inputrc": etc.INPUTRC,
        "crictl.yaml": etc.CRICTL,
        "vim/vimrc": etc.VIMRC,
        "machine-id": f"{uuid.uuid4().hex}\n",
    }.items():
        write_file(root / "etc" / name, text, 0o640 if name == "shadow" else 0o644)
    for name, text in {
        ".bashrc": etc.ROOT_BASHRC,
        ".profile": etc.ROOT_PROFILE,
        ".vimrc": etc.ROOT_VIMRC,
    }.items():
        write_file(root / "root" / name, text)


def write_trusted_etc(
    directory: Path, hostname: str, address: str, others: Mapping[str, str] = MappingProxyType({})
) -> None:
    """The /etc of kubelet and runtime: of the node's own they see only /etc/kubernetes, mounted here."""
    make_directory(directory)
    make_directory(directory / "kubernetes")
    _write_etc(directory, hostname, address, others)


def write_tools(directory: Path, python: Sequence[str]) -> None:
    """What a node has in /usr/local/bin; `python` starts the project's interpreter on the node."""
    make_directory(directory)
    interpreter = shlex.join(python)
    for tool in TOOLS:
        write_file(directory / tool, f'#!/bin/sh\nexec {interpreter} {BOOT} labs.tools.{tool} "$@"\n', 0o755)
    for name, binary in BINARIES.items():
        link(directory / name, f"/opt/cks-labs/bin/{binary}")
    editor = find_editor() or f"{interpreter} {BOOT} labs.tools.vi"
    for name in ("vi", "vim"):
        if shutil.which(name, path="/usr/bin:/bin") is None:
            write_file(directory / name, f'#!/bin/sh\nexec {editor} "$@"\n', 0o755)


def find_editor() -> str | None:
    """The vi that the host has in /usr, and so a node; None when there is none."""
    for command in ("vim", "vi", "vim.tiny", "vim.basic", "nvim"):
        if shutil.which(command, path="/usr/bin:/bin"):
            return f"/usr/bin/{command}"
    return "/usr/bin/busybox vi" if shutil.which("busybox", path="/usr/bin:/bin") else None


def _link_to_usr(root: Path) -> None:
    """/bin, /lib and the like, when the host has them below /usr (every current distribution does)."""
    for directory in Path("/").iterdir():
        if directory.is_symlink() and str(directory.readlink()).lstrip("/").startswith("usr/"):
            link(root / directory.name, str(directory.readlink()))


def _write_etc(directory: Path, hostname: str, address: str, others: Mapping[str, str]) -> None:
    """The part of /etc that every program may look at, whoever runs it."""
    hosts = etc.HOSTS.format(hostname=hostname, address=address)
    for name, text in {
        "passwd": etc.PASSWD,
        "group": etc.GROUP,
        "hostname": f"{hostname}\n",
        "hosts": hosts + "".join(f"{where}\t{name}\n" for name, where in others.items()),
        "resolv.conf": etc.RESOLV_CONF,
        "nsswitch.conf": etc.NSSWITCH,
        "shells": "/bin/sh\n/bin/bash\n",
        "timezone": "Etc/UTC\n",
    }.items():
        write_file(directory / name, text)
    link(directory / "localtime", "/usr/share/zoneinfo/Etc/UTC")
    link(directory / "mtab", "../proc/self/mounts")
    if Path("/usr/lib/os-release").exists():
        link(directory / "os-release", "../usr/lib/os-release")
    else:
        write_file(directory / "os-release", etc.OS_RELEASE)
    _copy(OF_THE_HOST, directory)
    for part in Path("/etc/ld.so.conf.d").glob("*.conf"):
        write_file(directory / "ld.so.conf.d" / part.name, part.read_bytes())
    for alternative in Path("/etc/alternatives").glob("*"):
        if alternative.is_symlink() and alternative.suffix != ".gz":  # those are manual pages
            link(directory / "alternatives" / alternative.name, str(alternative.readlink()))
    make_directory(directory / "ssl/certs")
    for bundle in map(Path, CERTIFICATE_BUNDLES):
        if bundle.exists():
            write_file(directory / "ssl/certs/ca-certificates.crt", bundle.read_bytes())
            break


def _copy(names: Iterable[str], directory: Path) -> None:
    for name in names:
        if (source := Path("/etc") / name).is_file():
            write_file(directory / name, source.read_bytes())
