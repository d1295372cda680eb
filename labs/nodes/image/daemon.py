"""The connection to Docker's daemon."""

import docker
from docker.errors import DockerException

from labs.nodes.image.errors import ImageBuildError


def connect() -> docker.DockerClient:
    """A client of the daemon that the environment names; an error when none answers."""
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        raise ImageBuildError(f"Docker cannot be reached ({error}): start it, or see 'labs doctor'") from None
    return client
