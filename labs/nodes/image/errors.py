"""What can go wrong with a node image: each error is one line that says what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from labs.errors import LabsError

#: Seconds that Docker may be silent in: committing or importing half a gigabyte takes a slow disk a while.
_PATIENCE = 900


class ImageBuildError(LabsError):
    """The node image cannot be built."""


class NoImageError(LabsError):
    """There is no node image."""


def reason(error: Exception) -> str:
    """What Docker says, on one line."""
    said = (error.explanation if isinstance(error, APIError) else None) or str(error)
    return " ".join(said.split())


@contextmanager
def explained(client: docker.DockerClient) -> Iterator[None]:
    """Wait for Docker as long as a build may take, and say in one line what it says when it fails."""
    timeout, client.api.timeout = client.api.timeout, _PATIENCE
    try:
        yield
    except (DockerException, RequestException, OSError) as error:
        full = "no space left on device" in str(error).lower()
        if full or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            raise ImageBuildError(
                "the disk is full: make room (docker system prune), then build again"
            ) from None
        raise ImageBuildError(f"Docker could not build the node image: {reason(error)}") from None
    finally:
        client.api.timeout = timeout
