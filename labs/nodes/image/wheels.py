"""The project's libraries for a node's Python, fetched on this machine and pinned by requirements.lock.

A `docker build` may have no network, and the node's Python is another one than ours: pip fetches its wheels.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from labs.nodes.image.distributions import OF_A_NODE, closure
from labs.nodes.image.errors import ImageBuildError


@dataclass(frozen=True)
class NodePython:
    """The Python of a node image, as its markers and wheel tags call it."""

    version: str  # 3.11.2
    machine: str  # x86_64
    glibc: str  # 2.36

    @property
    def short(self) -> str:
        return self.version.rpartition(".")[0]

    @property
    def markers(self) -> dict[str, str]:
        """The environment in which a requirement's marker is judged (PEP 508)."""
        return {
            "python_version": self.short,
            "python_full_version": self.version,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "platform_machine": self.machine,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
            "extra": "",
        }

    @property
    def platforms(self) -> list[str]:
        """The wheel platforms that run there, the newest first (PEP 600)."""
        minors = range(int(self.glibc.rpartition(".")[2]), 4, -1)
        names = [f"manylinux_2_{minor}" for minor in minors]
        return [
            f"{name}_{self.machine}"
            for name in (*names, "manylinux2014", "manylinux2010", "manylinux1", "linux")
        ]


#: Run on the node to make a `NodePython`.
QUESTION = (
    "import json, os, platform; print(json.dumps({'version': platform.python_version(), "
    "'machine': platform.machine(), 'glibc': os.confstr('CS_GNU_LIBC_VERSION').split()[1]}))"
)


@contextmanager
def fetch(lock: Path, python: NodePython) -> Iterator[Path]:
    """A directory with the node's libraries, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        _install(lock, python, directory)
        yield Path(directory)


def _install(lock: Path, python: NodePython, directory: str) -> None:
    names = closure(OF_A_NODE, python.markers)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(subset(lock.read_text(), names, python.markers))
        requirements.flush()
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--target", directory, "--no-deps", "--no-compile", "--require-hashes"]
        command += ["--only-binary=:all:", "--python-version", python.short, "--implementation=cp"]
        command += [f"--platform={platform}" for platform in python.platforms]
        command += ["-r", requirements.name]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode:
        complaints = [line for line in installed.stderr.splitlines() if line.startswith("ERROR: ")]
        why = (complaints or installed.stderr.splitlines() or ["no reason given"])[-1].removeprefix("ERROR: ")
        raise ImageBuildError(f"pip cannot fetch the node's libraries for Python {python.short}: {why}")


def subset(lock: str, names: set[str], markers: dict[str, str]) -> str:
    """The entries of a lock file for `names`, with their hashes; `ImageBuildError` when one is missing."""
    entries: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", lock):
        line = entry.partition("\\")[0]
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line.strip())
        name = canonicalize_name(requirement.name)
        if name in names and (requirement.marker is None or requirement.marker.evaluate(markers)):
            entries[name] = entry
    if missing := sorted(names - entries.keys()):
        raise ImageBuildError(f"requirements.lock does not have {', '.join(missing)}: run `make lock`")
    return "".join(f"{entries[name].rstrip()}\n" for name in sorted(entries))
