"""An image's own files, put on the disk when first needed: what the root of its containers begins with."""

import functools
import hashlib
import json
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from labs.runtime.errors import CriError
from labs.runtime.images.definition import Image, Mount

#: Directories of every image.
_DIRECTORIES = ("dev", "etc", "proc", "run", "sys", "tmp", "var")
#: What the machine shares with images of the base `host`, beside the links that point there (/bin, /lib, …).
_SHARED = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec")

_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
_GROUP = "root:x:0:\nnobody:x:65534:\n"

_ELF_MAGIC, _PT_INTERP = b"\x7fELF", 3


@functools.cache
def static_busybox() -> Path | None:
    """The machine's busybox, if it has one that needs no library."""
    found = shutil.which("busybox", path="/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin")
    return Path(found) if found and is_static(Path(found)) else None


def is_static(program: Path) -> bool:
    """Whether an ELF program asks for no interpreter (the dynamic loader)."""
    with program.open("rb") as file:
        header = file.read(64)
        if header[:4] != _ELF_MAGIC or header[4] != 2:  # 64 bits, as all machines here
            return False
        offset = int.from_bytes(header[32:40], "little")
        size = int.from_bytes(header[54:56], "little")
        count = int.from_bytes(header[56:58], "little")
        file.seek(offset)
        table = file.read(size * count)
    return all(
        int.from_bytes(table[at : at + 4], "little") != _PT_INTERP for at in range(0, len(table), size)
    )


def host_mounts() -> tuple[Mount, ...]:
    """The machine's programs and libraries, for images that are made of them."""
    places = [Path(place) for place in _SHARED]
    places += [
        Path("/") / name for name in ("bin", "sbin", "lib", "lib64") if not (Path("/") / name).is_symlink()
    ]
    return tuple(
        Mount(place, str(place), shared=True) for place in places if place.is_dir() and not place.is_symlink()
    )


def base_of(image: Image) -> str:
    """`busybox` needs a static one; where there is none its images are made of the machine's own tools."""
    return "host" if image.base == "busybox" and static_busybox() is None else image.base


def key(image: Image) -> str:
    """A name for the files of `image` as they would be built now: unlike its id, of this machine."""
    busybox = static_busybox()
    made_of = [image.id, image.files, busybox and [str(busybox), busybox.stat().st_mtime_ns]]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def build(image: Image, directory: Path) -> None:
    """Write the files of `image` to `directory`, wholly or not at all."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as made:
        root = Path(made) / "rootfs"
        root.mkdir(mode=0o755)
        for name in _DIRECTORIES:
            (root / name).mkdir()
        (root / "tmp").chmod(0o1777)
        base = base_of(image)
        if base != "scratch":
            _write_home(root)
        if base == "busybox":
            _install_busybox(root)
        elif base == "host":
            _link_to_host(root)
        for path, text in image.files.items():
            _write(root, path, text)
        for mount in image.mounts:
            _make_mount_point(root, mount)
        root.rename(directory)


def size_of(directory: Path, mounts: tuple[Mount, ...]) -> int:
    """The bytes of an image: its own files and those that it shows, without what the machine has anyway."""
    seen: dict[tuple[int, int], int] = {}
    for place in (directory, *(mount.source for mount in mounts if not mount.shared)):
        for file in place.rglob("*") if place.is_dir() else [place]:
            status = file.lstat()
            if not stat.S_ISDIR(status.st_mode):
                seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def _write_home(root: Path) -> None:
    (root / "root").mkdir(mode=0o700)
    (root / "home").mkdir()
    (root / "etc/passwd").write_text(_PASSWD)
    (root / "etc/group").write_text(_GROUP)


def _install_busybox(root: Path) -> None:
    program = static_busybox()
    if program is None:
        raise CriError("no static busybox on this machine")
    (root / "bin").mkdir()
    own = root / "bin/busybox"
    shutil.copy(program, own)
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (root / "bin" / applet).hardlink_to(own)
    (root / "usr").mkdir()
    (root / "usr/bin").mkdir()
    (root / "usr/bin/env").symlink_to("/bin/env")


def _link_to_host(root: Path) -> None:
    (root / "usr").mkdir()
    for entry in Path("/").iterdir():
        if entry.is_symlink() and str(entry.readlink()).lstrip("/").startswith("usr/"):
            (root / entry.name).symlink_to(entry.readlink())
    for mount in host_mounts():
        _make_mount_point(root, mount)
    for place in ("/usr/lib64", "/usr/lib32"):
        if Path(place).is_symlink():
            (root / place.lstrip("/")).symlink_to(Path(place).readlink())
    alternatives = root / "etc/alternatives"  # where /usr/bin/awk and the like point to
    if Path("/etc/alternatives").is_dir():
        shutil.copytree("/etc/alternatives", alternatives, symlinks=True)


def _write(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755 if text.startswith("#!") else 0o644)


def _make_mount_point(root: Path, mount: Mount) -> None:
    point = root / mount.destination.lstrip("/")
    if mount.source.is_dir():
        point.mkdir(parents=True, exist_ok=True)
    else:
        point.parent.mkdir(parents=True, exist_ok=True)
        point.touch(exist_ok=True)
