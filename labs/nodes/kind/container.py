"""The container that a kind node is: made, found, started again, and removed with all that belongs to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labs.nodes.layout import Layout
from labs.nodes.spec import Spec

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Machine:
    """A running node container."""

    client: Any
    """The `docker.DockerClient` it was found with."""
    container: Any
    """A `docker.models.containers.Container`."""
    name: str
    address: str
    """Its address in Docker's network, as of this start."""
    port: int
    """The port of 127.0.0.1 on this machine that leads to its API server."""

    def remove(self) -> None:
        """Remove the container with its volumes, and the network when we made it and nobody uses it."""
        raise NotImplementedError


def boot(layout: Layout, spec: Spec, progress: Progress, *, bare: bool = False) -> Machine:
    """Make the node of a cluster, or start the one it has; return when its kubelet is started."""
    raise NotImplementedError
