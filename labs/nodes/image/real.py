"""Kubernetes' own programs, given as files at build time: for a node whose base has none."""

import hashlib
import json
import lzma
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from labs.nodes.image.errors import ImageBuildError

PROGRAMS = ("kubelet", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "crictl")
#: Names a directory of them, for builds that nobody asks for by hand.
VARIABLE = "CKS_LABS_REAL"


@dataclass(frozen=True)
class RealPrograms:
    """The programs of a build: a digest that stands for them, and the files, where they are at hand."""

    #: Empty when the image has none.
    digest: str = ""
    files: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, directory: Path | None) -> Self:
        """Those in `directory`, plain or compressed by xz; an error names what is missing."""
        if directory is None:
            return cls()
        files = {}
        for name in PROGRAMS:
            found = [file for file in (directory / name, directory / f"{name}.xz") if file.is_file()]
            if not found:
                raise ImageBuildError(
                    f"{directory} has neither {name} nor {name}.xz: --real needs all of {', '.join(PROGRAMS)}"
                )
            files[name] = found[0]
        stamps = [(name, file.stat().st_size, file.stat().st_mtime_ns) for name, file in files.items()]
        return cls(hashlib.sha256(json.dumps(stamps).encode()).hexdigest(), files)

    @classmethod
    def of_environment(cls) -> Self:
        """Those that $CKS_LABS_REAL names."""
        directory = os.environ.get(VARIABLE)
        return cls.of(Path(directory) if directory else None)

    def require(self) -> dict[str, Path]:
        """The files; an error when the image should have them and they are not at hand."""
        if self.digest and not self.files:
            raise ImageBuildError(
                "the node image has to be built again, and it has real programs in it: "
                "labs node-image build --from-debian --real DIR"
            )
        return self.files


def plain(file: Path, directory: Path) -> Path:
    """`file` itself, or what is compressed in it, written to `directory`."""
    if file.suffix != ".xz":
        return file
    program = directory / file.stem
    try:
        with lzma.open(file) as compressed, program.open("wb") as output:
            shutil.copyfileobj(compressed, output, 1 << 20)
    except (lzma.LZMAError, EOFError) as error:
        raise ImageBuildError(f"{file} cannot be unpacked: {error}") from None
    return program
