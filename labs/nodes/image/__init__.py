"""The image that kind nodes are made from: kind's own, or Debian's packages, with the project on top."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from labs.errors import LabsError
from labs.nodes.image import names

if TYPE_CHECKING:
    import docker
    from docker.models.images import Image as DockerImage


class NoImageError(LabsError):
    """There is no node image, and none can be made without being asked to."""


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
    def of(cls, tag: str, image: DockerImage) -> Self:
        """Read the labels; `NoImageError` for an image of other origin."""
        labels = image.labels
        try:
            return cls(
                tag=tag,
                id=image.id,
                debian=labels[names.BASE] == "debian",
                real=labels[names.REAL] == "true",
                kubernetes=labels[names.KUBERNETES],
            )
        except KeyError as missing:
            raise NoImageError(
                f"{tag} is no node image of this project (it has no label {missing}): labs node-image build"
            ) from None


def node_image(client: docker.DockerClient, progress: Callable[[str], None]) -> Image:
    """The image to make nodes from: the one that is named, else the newest here, else one built over kind's.

    One that another version of the project has built is brought up to date. `progress` is told what takes time.
    """
    from docker.errors import ImageNotFound

    from labs.nodes.image import build

    if named := os.environ.get(names.VARIABLE):
        try:
            return Image.of(named, client.images.get(named))
        except ImageNotFound:
            raise NoImageError(
                f"${names.VARIABLE} names {named}, which is not here: labs node-image build"
            ) from None
    newest = build.newest(client)
    return Image.of(newest, build.refresh(client, progress, newest))
