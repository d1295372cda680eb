"""The node's images: which there are, under which names, and where their files lie.

All images of the catalogue are on a new node, as on one that was made without a network: pulling a known
name brings a removed image back, pulling another fails as on a node that reaches no registry.
"""

import json
from collections.abc import Callable
from pathlib import Path

from labs.golang import dialerrors
from labs.runtime.errors import CriError, InvalidArgumentError, NotFoundError
from labs.runtime.images import build
from labs.runtime.images.definition import Image, Mount
from labs.runtime.images.references import manifest_url, normalize

_UNREACHABLE = (
    'failed to pull and unpack image "{name}": failed to resolve reference "{name}": failed to do request: '
    'Head "{url}": {why}'
)


class ImageStore:
    """Images by name and id, their files below `directory`."""

    def __init__(self, directory: Path, catalogue: list[Image], resolv_conf: Callable[[], str]) -> None:
        """`resolv_conf` reads the node's: which server was asked for a registry is in the error."""
        self.directory = directory
        self._resolv_conf = resolv_conf
        self._catalogue = catalogue
        self._sizes: dict[str, int] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self._removed_file = directory / "removed.json"
        self._removed: set[str] = set()
        if self._removed_file.exists():
            self._removed = set(json.loads(self._removed_file.read_text()))

    def all(self) -> list[Image]:
        """The images on the node, by name."""
        return sorted(
            (each for each in self._catalogue if each.id not in self._removed), key=lambda each: each.names
        )

    def find(self, reference: str) -> Image | None:
        """By name, id, or a beginning of an id (as tools for people give it)."""
        for image in self.all():
            if reference in (image.id, image.digest, *image.names):
                return image
        digest = reference.removeprefix("sha256:")
        if len(digest) >= 3 and all(character in "0123456789abcdef" for character in digest):
            matching = [image for image in self.all() if image.id.removeprefix("sha256:").startswith(digest)]
            if len(matching) == 1:
                return matching[0]
        try:
            name = normalize(reference)
        except InvalidArgumentError:
            return None
        return next((image for image in self.all() if name in (image.digest, *image.names)), None)

    def get(self, reference: str) -> Image:
        image = self.find(reference)
        if image is None:
            raise NotFoundError(
                f'failed to get image from containerd "{reference}": image "{reference}": not found'
            )
        return image

    def pull(self, reference: str) -> Image:
        """Bring an image of the catalogue (back); no other registry can be reached from a node."""
        name = normalize(reference)
        for image in self._catalogue:
            if name in (image.digest, *image.names):
                self._set_removed(self._removed - {image.id})
                return image
        url = manifest_url(name)
        host = url.split("/")[2].partition(":")[0]
        why = dialerrors.lookup(host, self._resolv_conf())
        raise CriError(_UNREACHABLE.format(name=name, url=url, why=why))

    def remove(self, reference: str) -> None:
        """Forget an image; its files stay for the containers that use them. Unknown ones are no error."""
        image = self.find(reference)
        if image is not None:
            self._set_removed(self._removed | {image.id})

    def rootfs(self, image: Image) -> Path:
        """The image's own files, written at the first call."""
        directory = self.directory / build.key(image) / "rootfs"
        if not directory.exists():
            build.build(image, directory)
        return directory

    def mounts(self, image: Image) -> tuple[Mount, ...]:
        """What containers of `image` see of the machine, in the order of mounting."""
        shared = build.host_mounts() if build.base_of(image) == "host" else ()
        return (*shared, *image.mounts)

    def size(self, image: Image) -> int:
        """In bytes; measured once."""
        if image.id not in self._sizes:
            self._sizes[image.id] = build.size_of(self.rootfs(image), image.mounts)
        return self._sizes[image.id]

    def _set_removed(self, removed: set[str]) -> None:
        self._removed = removed
        new = self._removed_file.with_suffix(".new")
        new.write_text(json.dumps(sorted(removed)))
        new.replace(self._removed_file)


def read_catalogue(source: Path, own: Path, variables: dict[str, str]) -> list[Image]:
    """All definitions below `source`: the runtime's own, and one directory per image of the control plane.

    In `own`, out of the student's reach, the owner of a cluster may lay definitions of more.
    """
    files = [
        *sorted(own.glob("*.json")),
        *sorted((source / "labs/runtime/catalogue").glob("*.json")),
        *sorted((source / "labs/controlplane/images").glob("*/image.json")),
    ]
    return [Image.read(file, variables) for file in files]
