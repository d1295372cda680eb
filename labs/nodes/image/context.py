"""What a build of the Dockerfile is given: one archive, its members by name."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from labs.runtime.places import SOURCE

HERE = Path(__file__).parent


class Context:
    """A build context, written to a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._archive = tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT)

    def close(self) -> None:
        self._archive.close()

    def add(self, path: str, content: str, mode: int | None = None) -> None:
        member = tarfile.TarInfo(path)
        data = content.encode()
        member.size = len(data)
        member.mode = mode or (0o755 if content.startswith("#!") else 0o644)
        self._archive.addfile(member, io.BytesIO(data))

    def add_link(self, path: str, target: str) -> None:
        member = tarfile.TarInfo(path)
        member.type, member.linkname = tarfile.SYMTYPE, target
        self._archive.addfile(member)

    def add_directory(self, path: str) -> None:
        member = tarfile.TarInfo(path)
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        self._archive.addfile(member)

    def add_file(self, path: str, source: Path) -> None:
        self._archive.add(source, path, filter=_of_root)

    def add_tree(self, path: str, directory: Path) -> None:
        for file in sorted(directory.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                self.add_file(f"{path}/{file.relative_to(directory)}", file)

    def add_sources(self, path: str) -> None:
        for file in sources():
            self.add_file(f"{path}/{file.relative_to(SOURCE)}", file)


def sources() -> Iterator[Path]:
    """The project's files that a node needs: all of `labs` but what only its host uses."""
    for file in sorted((SOURCE / "labs").rglob("*")):
        part = file.relative_to(SOURCE / "labs").parts[0]
        if file.is_file() and "__pycache__" not in file.parts and part not in ("notebook", "judge", "exercises"):
            yield file


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member
