"""Files of a volume that change together (`pkg/volume/util/atomic_writer.go`).

/d/..2026_11_24_02_45_01.123456789/name     the files
/d/..data -> ..2026_11_24_02_45_01.123456789
/d/name -> ..data/name                      what the container opens
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from labs.kubelet.hostfs import HostFs

DATA, NEW = "..data", "..data_tmp"


@dataclass(frozen=True)
class File:
    """One file's content and mode."""

    content: bytes
    mode: int


def write_payload(fs: HostFs, folder: str, files: Mapping[str, File], now: datetime) -> None:
    """Make the volume hold exactly these files, by their paths in it. Raises OSError."""
    if _same(fs, folder, files):
        return
    stamp = f"..{now:%Y_%m_%d_%H_%M_%S}.{now.microsecond * 1000:09d}"
    fs.makedirs(f"{folder}/{stamp}")
    for path, file in files.items():
        target = f"{folder}/{stamp}/{path}"
        fs.makedirs(target.rpartition("/")[0])
        fs.write_bytes(target, file.content, 0o600)
        fs.chmod(target, file.mode)
    old = fs.readlink(f"{folder}/{DATA}")
    fs.symlink(stamp, f"{folder}/{NEW}")
    fs.rename(f"{folder}/{NEW}", f"{folder}/{DATA}")
    visible = {path.partition("/")[0] for path in files}
    for name in visible:
        if fs.readlink(f"{folder}/{name}") is None:
            fs.symlink(f"{DATA}/{name}", f"{folder}/{name}")
    for name in fs.listdir(folder):
        if not name.startswith("..") and name not in visible:
            fs.remove(f"{folder}/{name}")
    if old:
        fs.rmtree(f"{folder}/{old}")


def is_written(fs: HostFs, folder: str) -> bool:
    """Whether the volume has been filled."""
    return fs.readlink(f"{folder}/{DATA}") is not None


def _same(fs: HostFs, folder: str, files: Mapping[str, File]) -> bool:
    if not is_written(fs, folder):
        return False
    data = f"{folder}/{DATA}"
    try:
        if set(_paths(fs, data)) != set(files):
            return False
        return all(fs.read_bytes(f"{data}/{path}") == file.content for path, file in files.items())
    except OSError:
        return False


def _paths(fs: HostFs, folder: str, below: str = "") -> Iterator[str]:
    """The files in a folder and in those in it."""
    for name in fs.listdir(f"{folder}/{below}"):
        path = f"{below}{name}"
        if fs.kind(f"{folder}/{path}") == "dir":
            yield from _paths(fs, folder, f"{path}/")
        else:
            yield path
