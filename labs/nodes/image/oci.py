"""An OCI image layout (image-spec v1.1): layers from directories, configurations, one index over all images.

containerd imports it as it would import what `docker save` writes, and layers of the same content are one.
"""

import hashlib
import json
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_MEDIA = "application/vnd.oci.image"
#: How Go, and so OCI, calls the machines that Python knows by the kernel's name.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Blob:
    """Something in the layout, by the digest of its bytes."""

    digest: str
    size: int


class Layout:
    """A layout being written to `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._blobs = directory / "blobs/sha256"
        self._blobs.mkdir(parents=True)
        self._manifests: list[dict[str, Any]] = []
        #: The digests of all layers, and the names of all images.
        self.layers: set[str] = set()
        self.names: list[str] = []

    def add_layer(self, root: Path) -> Blob:
        """A layer of all that is below `root`, owned by root."""
        with tempfile.NamedTemporaryFile(dir=self.directory, delete=False) as file:
            archive = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.GNU_FORMAT)
            archive.add(root, arcname=".", filter=_owned_by_root)
            archive.close()
        layer = self._add(Path(file.name))
        self.layers.add(layer.digest)
        return layer

    def add_image(self, names: Sequence[str], config: dict[str, Any], layers: Sequence[Blob]) -> None:
        """An image of uncompressed `layers`; `config` is the `config` of its OCI configuration.

        The names go into the history, so that images of the same content stay two.
        """
        configuration = {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            "history": [{"created_by": f"{names[0]}, layer {number}"} for number, _ in enumerate(layers, 1)],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": _descriptor("config.v1+json", self._add_json(configuration)),
            "layers": [_descriptor("layer.v1.tar", layer) for layer in layers],
        }
        blob = self._add_json(manifest)
        repository = names[0].rpartition(":")[0]
        for name in (*names, f"{repository}@{blob.digest}"):
            annotations = {"io.containerd.image.name": name}
            self.names.append(name)
            self._manifests.append(_descriptor("manifest.v1+json", blob) | {"annotations": annotations})

    def write(self, stream: IO[bytes]) -> None:
        """All of it as one archive."""
        index = {"schemaVersion": 2, "mediaType": f"{_MEDIA}.index.v1+json", "manifests": self._manifests}
        (self.directory / "index.json").write_text(json.dumps(index))
        (self.directory / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
        with tarfile.open(fileobj=stream, mode="w|") as archive:
            for name in ("oci-layout", "index.json", "blobs"):
                archive.add(self.directory / name, arcname=name)

    def _add_json(self, document: dict[str, Any]) -> Blob:
        with tempfile.NamedTemporaryFile("w", dir=self.directory, delete=False) as file:
            json.dump(document, file)
        return self._add(Path(file.name))

    def _add(self, file: Path) -> Blob:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        blob = Blob(f"sha256:{digest}", file.stat().st_size)
        shutil.move(file, self._blobs / digest)
        return blob


def _descriptor(kind: str, blob: Blob) -> dict[str, Any]:
    return {"mediaType": f"{_MEDIA}.{kind}", "digest": blob.digest, "size": blob.size}


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of who wrote a file and when, so that the same content is the same layer."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(member.mtime) if member.name.endswith(".py") else 0  # compiled modules name the time
    return member
