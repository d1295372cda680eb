"""kind's node image, from its registry."""

import contextlib
from collections.abc import Callable

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image as DockerImage

from labs.nodes.image.errors import ImageBuildError, reason
from labs.nodes.image.names import KINDEST


def pull_kindest(client: docker.DockerClient, tell: Callable[[str], None]) -> DockerImage:
    """kindest/node by its digest, pulled unless it is here; `ImageBuildError` when it cannot be.

    One that was brought here as a file (`docker load`) has no digest, only its name.
    """
    name, _, digest = KINDEST.partition("@")
    reference = f"{name.rpartition(':')[0]}@{digest}"
    for known in (reference, name):
        with contextlib.suppress(ImageNotFound):
            return client.images.get(known)
    tell(f"pulling {name}")
    layers: dict[str, tuple[int, int]] = {}
    try:
        for event in client.api.pull(reference, stream=True, decode=True):
            if "error" in event:
                raise DockerException(event["error"])
            detail = event.get("progressDetail") or {}
            if event.get("status") == "Downloading" and "total" in detail:
                layers[event["id"]] = detail["current"], detail["total"]
                current, total = (sum(numbers) for numbers in zip(*layers.values(), strict=True))
                tell(f"pulling {name}: {current / 1e6:.0f} of {total / 1e6:.0f} MB")
        return client.images.get(reference)
    except DockerException as error:
        raise ImageBuildError(
            f"cannot pull {name} ({reason(error)}): on Debian, "
            "'labs node-image build --from-debian' needs no registry"
        ) from None
