"""A node's container: found by kind's labels, talked to while it runs, removed with what belongs to it."""

import io
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from docker.errors import APIError, NotFound

from labs.nodes.files import write_file
from labs.nodes.kind import network
from labs.nodes.kind.daemon import DockerError, explained
from labs.nodes.kind.options import API_PORT, CLUSTER_LABEL, CONTROL_PLANE_ROLE, ROLE_LABEL, WORKER_ROLE


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
    """The port of 127.0.0.1 on this machine that leads to its API server; 0 on a worker, which has none."""

    @property
    def started(self) -> float:
        """When the container was last started, in seconds since 1970."""
        return timestamp(self.container.attrs["State"]["StartedAt"])

    @classmethod
    def of(cls, client: Any, container: Any) -> Self:
        """The running container as Docker describes it now."""
        with explained("asking Docker for the node's addresses"):
            container.reload()
        name, settings = container.name, container.attrs["NetworkSettings"]
        addresses = [entry["IPAddress"] for entry in settings["Networks"].values() if entry["IPAddress"]]
        published = (settings.get("Ports") or {}).get(f"{API_PORT}/tcp") or []
        if container.labels.get(ROLE_LABEL) == WORKER_ROLE:
            published = [{"HostPort": "0"}]
        if container.status != "running" or not addresses or not published:
            raise DockerError(f"the node's container {name} is {container.status} ({_last_words(container)})")
        return cls(client, container, name, addresses[0], int(published[0]["HostPort"]))

    def run(self, script: str, doing: str) -> str:
        """Run a shell script in the node; its output. `DockerError` says `doing` when it fails."""
        with explained(doing):
            done = self.container.exec_run(["/bin/sh", "-c", script])
        output = done.output.decode(errors="replace").strip()
        if done.exit_code != 0:
            last = output.rpartition("\n")[2] or f"status {done.exit_code}"
            raise DockerError(f"{doing} failed on {self.name}: {last}")
        return str(output)

    def put(self, archive: bytes) -> None:
        """Unpack a tar file at the node's root."""
        with explained(f"copying files to {self.name}"):
            self.container.put_archive("/", archive)

    def remove(self) -> None:
        """Remove the container with its volumes, and the network when we made it and nobody uses it."""
        remove_container(self.client, self.container)


def remove_container(client: Any, container: Any) -> None:
    """Remove a container with its volumes, and the network when we made it and nobody uses it."""
    with explained(f"removing the container {container.name}"):
        networks = list(container.attrs["NetworkSettings"]["Networks"])
        with suppress(NotFound):
            try:
                container.remove(v=True, force=True)
            except APIError as error:
                if "already in progress" not in str(error.explanation):
                    raise
                container.wait(condition="removed")
    for name in networks:
        network.remove_unused(client, name)


def _last_words(container: Any) -> str:
    state = container.attrs.get("State", {})
    return (
        state.get("Error") or f"exit status {state.get('ExitCode')}: 'docker logs {container.name}' says more"
    )


def find(client: Any, cluster: str) -> Any | None:
    """The control-plane container of a kind cluster, running or not; None when there is none."""
    planes = (node for node in nodes_of(client, cluster) if node.labels.get(ROLE_LABEL) == CONTROL_PLANE_ROLE)
    return min(planes, key=lambda node: str(node.name), default=None)


def find_node(client: Any, cluster: str, name: str) -> Any | None:
    """The container of the node `name` of a kind cluster, running or not; None when there is none."""
    return next((node for node in nodes_of(client, cluster) if node.name == name), None)


def nodes_of(client: Any, cluster: str) -> list[Any]:
    """All containers of a kind cluster, running or not, as the kind CLI finds them."""
    labels = {"label": f"{CLUSTER_LABEL}={cluster}"}
    with explained("looking for the node's container"):
        return list(client.containers.list(all=True, filters=labels, ignore_removed=True))


def fetch(machine: Machine, path: str, root: Path) -> None:
    """Copy a file or directory of the node, `path` below its root, to the same place below `root`.

    Plain files only: what a student may have put beside them (links, devices) stays there.
    """
    with explained(f"reading /{path} of {machine.name}"):
        pieces, _ = machine.container.get_archive(f"/{path}")
        archive = io.BytesIO(b"".join(pieces))
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            if member.isfile() and (file := tar.extractfile(member)) is not None:
                write_file((root / path).parent / member.name, file.read(), member.mode & 0o777)


def timestamp(text: str) -> float:
    """Docker's time with nanoseconds, as seconds since 1970."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
