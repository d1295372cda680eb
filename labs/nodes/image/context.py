"""What Docker is sent: an archive of the project's files, of others and of texts, owned by root."""

import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from labs.runtime.places import SOURCE

DOCKERFILE = Path(__file__).with_name("Dockerfile")
#: Parts of the project that only its host uses.
_OF_THE_HOST = ("cli", "exercises", "judge", "notebook")


class Context:
    """An archive being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._archive = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.GNU_FORMAT)

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator[Self]:
        """One that is gone at the end of the block."""
        with tempfile.TemporaryFile() as file:
            yield cls(file)

    def finish(self) -> IO[bytes]:
        """The archive, to be read from its beginning."""
        self._archive.close()
        self._file.seek(0)
        return self._file

    def add(self, path: str, text: str) -> None:
        """A file of this text; one that names its interpreter is a program."""
        data = text.encode()
        member = tarfile.TarInfo(path)
        member.size = len(data)
        member.mode = 0o755 if text.startswith("#!") else 0o644
        self._archive.addfile(member, io.BytesIO(data))

    def add_link(self, path: str, target: str) -> None:
        member = tarfile.TarInfo(path)
        member.type, member.linkname = tarfile.SYMTYPE, target
        self._archive.addfile(member)

    def add_directory(self, path: str) -> None:
        member = tarfile.TarInfo(path)
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        self._archive.addfile(member)

    def add_file(self, path: str, source: Path, mode: int | None = None) -> None:
        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = mode or (0o755 if member.mode & 0o100 else 0o644)
            return member

        self._archive.add(source, path, filter=plain)

    def add_tree(self, path: str, directory: Path) -> None:
        for file in sorted(directory.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                self.add_file(f"{path}/{file.relative_to(directory)}", file)

    def add_sources(self, path: str) -> None:
        for file in sources():
            self.add_file(f"{path}/{file.relative_to(SOURCE)}", file)


def sources() -> Iterator[Path]:
    """The project's files that a node needs, in an order that does not change."""
    package = SOURCE / "labs"
    for file in sorted(package.rglob("*")):
        if (
            file.is_file()
            and "__pycache__" not in file.parts
            and file.relative_to(package).parts[0] not in _OF_THE_HOST
        ):
            yield file
