"""The image that kind nodes are made from: kind's own, or Debian's packages, with the project on top."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from labs.nodes.image import names

if TYPE_CHECKING:
    import docker
    from docker.models.images import Image as DockerImage


@dataclass(frozen=True)
class Image:
    """A node image, as its labels describe it."""

    tag: str
    id: str
    #: Its base is made of Debian's packages: it has our entry point, and no kubeadm.
    debian: bool
    #: The real kubelet and control plane are in it.
    real: bool
    #: The version of Kubernetes that its components have: `v1.36.2`.
    kubernetes: str

    @classmethod
    def of(cls, image: DockerImage, name: str | None = None) -> Self:
        """Read the labels of a node image; `name` is another one than its own."""
        labels = image.labels
        debian = labels[names.VARIANT] == names.DEBIAN
        return cls(
            tag=name or f"{names.NODE}:{labels[names.VARIANT]}",
            id=str(image.id),
            debian=debian,
            real=not debian or bool(labels[names.REAL]),
            kubernetes=labels[names.KUBERNETES],
        )


def node_image(client: docker.DockerClient, progress: Callable[[str], None]) -> Image:
    """The image to make nodes from: the one that is named, else the newest here, else one built over kind's.

    One that another version of the project has built is made anew; `progress` is told what takes time.
    """
    from labs.nodes.image import build

    if named := os.environ.get(names.VARIABLE):
        return Image.of(_named(client, named), named)
    image = build.newest(client)
    image = build.refresh(client, progress, image) if image else build.build(client, progress, debian=False)
    return Image.of(image)


def _named(client: docker.DockerClient, name: str) -> DockerImage:
    from docker.errors import ImageNotFound

    from labs.nodes.image.errors import NoImageError

    try:
        image = client.images.get(name)
    except ImageNotFound:
        raise NoImageError(
            f"${names.VARIABLE} names {name}, which Docker does not have: labs node-image build"
        ) from None
    if names.VARIANT not in image.labels:
        raise NoImageError(f"${names.VARIABLE} names {name}, which is no image of `labs node-image build`")
    return image
