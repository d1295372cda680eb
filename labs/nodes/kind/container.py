"""The container of a kind node: made, found, started again, and removed with all that belongs to it.

It outlives its supervisor: after a reboot, or when the supervisor was killed, `boot` finds it by kind's
labels and starts it where it stopped. What must be remembered on this machine is in the cluster's directory,
in a note written last (`labs.nodes.kind.note`): a container without one was never provisioned whole.
"""

import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from docker.errors import APIError

from labs.nodes.kind import adopt, daemon, network, provision, readdress, seeds
from labs.nodes.kind.daemon import DockerError, Facts, explained
from labs.nodes.kind.machine import Machine, find, nodes_of, remove_container, timestamp
from labs.nodes.kind.note import Note
from labs.nodes.kind.options import (
    DIRECTORY_LABEL,
    Body,
    NodeOptions,
    proxy_environment,
)
from labs.nodes.layout import Layout
from labs.nodes.spec import KUBELET, REAL, Spec

if TYPE_CHECKING:
    from labs.nodes.image import Image

Progress = Callable[[str], None]

#: What systemd writes on the node's console when it is up; kind waits for the same words.
SYSTEMD_IS_UP = re.compile(rb"Reached target .*Multi-User System")
#: How often another port is tried when somebody was quicker.
PORT_ATTEMPTS = 5
SNAPSHOTTER_VARIABLE = "KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER"

_CANNOT_BE_PRIVILEGED = re.compile(r"unable to apply caps|privileged mode is incompatible|CAP_SYS_RESOURCE")
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use")


def boot(layout: Layout, spec: Spec, progress: Progress, *, bare: bool = False) -> Machine:
    """Make the node of a cluster, or start the one it has; return when its kubelet is started.

    `progress` is told what is being waited for. `DockerError` when it cannot be had: a new container is
    removed again, an old one is left as it is.
    """
    client = daemon.connect()
    name = layout.control_plane
    note, container = Note.load(layout, name), find(client, layout.cluster)
    if note is not None:
        progress("starting the node")
        return resume(client, noted(container, note, layout, name), layout, note)
    if spec.attached:
        if container is None:
            raise DockerError(f"the kind cluster '{layout.cluster}' is gone: 'labs down {layout.cluster}'")
        machine = adopt.adopt(client, container, layout, progress)
        Note(container.id, machine.address, machine.started).save(layout, name)
        return machine
    if container is not None:
        refuse_foreign(container, layout)
        remove_container(client, container)  # an interrupted start left it
    return _create(client, layout, spec, progress, bare=bare)


def noted(container: Any | None, note: Note, layout: Layout, name: str) -> Any:
    """The container that was found for `name`, which must be the noted one. `DockerError` when it is not."""
    if container is None or container.id != note.id:
        raise DockerError(
            f"the container of {name} was removed, and its data with it: "
            f"'labs down {layout.cluster}' and 'labs up {layout.cluster}' make a new one"
        )
    return container


def refuse_foreign(container: Any, layout: Layout) -> None:
    """`DockerError` when a container of the cluster's name is none of ours."""
    if container.labels.get(DIRECTORY_LABEL) != str(layout.directory):
        raise DockerError(
            f"there is a kind cluster '{layout.cluster}' already: "
            f"'labs attach {layout.cluster}' uses it, "
            f"'kind delete cluster --name {layout.cluster}' removes it"
        )


def remove(layout: Layout) -> None:
    """Remove the containers of a cluster, as far as there are any, with their volumes and unused network.

    Where Docker does not answer and no node was ever provisioned whole, there is nothing to remove: what a
    start may have left that Docker broke off, the next start of that name replaces.
    """
    try:
        client = daemon.connect()
    except DockerError:
        if Note.load(layout, layout.control_plane) is None:
            return
        raise
    for container in nodes_of(client, layout.cluster):
        if container.labels.get(DIRECTORY_LABEL) == str(layout.directory):
            remove_container(client, container)
    network.remove_unused(client, network.network_name())


def _create(client: Any, layout: Layout, spec: Spec, progress: Progress, *, bare: bool) -> Machine:
    from labs.nodes.image import node_image

    image = node_image(client, progress)
    if spec.control_plane == REAL or spec.engine == KUBELET:
        _need_real(image)
    facts = daemon.facts(client)
    progress("making the node's container")
    container = started(client, layout, spec, layout.control_plane, image.id, facts)
    try:
        return _provision(Machine.of(client, container), layout, spec, image, facts, progress, bare=bare)
    except BaseException:
        remove_container(client, container)
        raise


def _provision(
    machine: Machine,
    layout: Layout,
    spec: Spec,
    image: "Image",
    facts: Facts,
    progress: Progress,
    *,
    bare: bool,
) -> Machine:
    """Write the node's files while its systemd boots, then start its kubelet."""
    progress("booting the node")
    with ThreadPoolExecutor(1, "systemd") as pool:
        up: Future[None] = pool.submit(wait_for_systemd, machine.container)
        ground = provision.Ground(image.debian, facts.cgroup, image.kubernetes)
        node = provision.identity(layout.cluster, machine.name, machine.address)
        seeds.plant(machine, layout, node, spec, ground, bare=bare)
        up.result()
    progress("starting containerd and the kubelet")
    machine.run(provision.script(spec, ground, bare=bare), "starting the kubelet")
    if provision.by_kubeadm(spec, ground, bare=bare):
        seeds.harvest(machine, layout, node)
    Note(machine.container.id, machine.address, machine.started).save(layout, machine.name)
    if spec.control_plane == REAL and not bare:
        progress("waiting for the API server")
        seeds.settle(machine, layout, spec)
    return machine


def resume(client: Any, container: Any, layout: Layout, note: Note) -> Machine:
    """The container of a node that was up before: started, unless it runs, and told its new address."""
    try:
        with explained(f"starting {container.name}"):
            if container.status == "paused":
                container.unpause()
            container.start()
    except DockerError as error:
        if not _PORT_TAKEN.search(str(error)):
            raise
        port = layout.port.read_text().strip()
        raise DockerError(
            f"port {port} of 127.0.0.1, the way to this cluster's API, has been taken by another program: "
            f"end that one ('ss -ltnp sport = :{port}' names it), then 'labs up {layout.cluster}'"
        ) from error
    machine = Machine.of(client, container)
    wait_for_systemd(container)
    if machine.address != note.address:
        readdress.move(machine, note.address)
    Note(container.id, machine.address, machine.started).save(layout, machine.name)
    if machine.port:
        layout.port.write_text(f"{machine.port}\n")
    machine.run("systemctl start containerd kubelet", "starting the kubelet")
    return machine


def wait_for_systemd(container: Any) -> None:
    """Return when the container's systemd is up, by what it wrote on its console in this start."""
    with explained("reading the node's console"):
        since = container.client.api.inspect_container(container.id)["State"]["StartedAt"]
        said = bytearray()
        console = container.logs(stream=True, follow=True, since=timestamp(since))
        try:
            for piece in console:
                said += piece
                if piece.endswith(b"\n") and SYSTEMD_IS_UP.search(said):
                    return
        finally:
            console.close()
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    if b"cgroup v1" in said.lower():
        raise DockerError(
            "this machine has cgroup v1 and the node image's systemd wants v2: boot with "
            "systemd.unified_cgroup_hierarchy=1, or use 'labs node-image build --from-debian'"
        )
    raise DockerError(f"the node's container ended while it booted; its last words: {last or 'none'}")


def started(client: Any, layout: Layout, spec: Spec, name: str, image: str, facts: Facts) -> Any:
    """A new container for the node `name` that runs, on the network of kind's nodes."""
    place = network.network_name()
    network.ensure(client, place)
    proxies = proxy_environment(
        os.environ,
        daemon.configured_proxies(daemon.endpoint()),
        network.subnets(client, place),
        layout.node_names(spec.workers),
    )

    def options() -> NodeOptions:
        return NodeOptions(
            cluster=layout.cluster,
            name=name,
            image=image,
            network=place,
            port=daemon.free_port() if name == layout.control_plane else None,
            host=facts.host,
            proxies=proxies,
            snapshotter=os.environ.get(SNAPSHOTTER_VARIABLE),
            directory=str(layout.directory),
        )

    return _running(client, options, privileged=daemon.may_be_privileged())


def _running(client: Any, options: Callable[[], NodeOptions], *, privileged: bool) -> Any:
    """A new container that runs: on another port when one was taken, without a privilege that is refused."""
    for _ in range(PORT_ATTEMPTS):
        chosen = options()
        body = chosen.body() if privileged else chosen.unprivileged_body()
        container = _created(client, body, chosen.name)
        try:
            container.start()
            return container
        except APIError as error:
            said = str(error.explanation)
            remove_container(client, container)
            if privileged and _CANNOT_BE_PRIVILEGED.search(said):
                privileged = False
            elif not _PORT_TAKEN.search(said):
                raise daemon.explain(error, f"starting {chosen.name}") from error
        except BaseException:
            remove_container(client, container)
            raise
    raise DockerError("Docker found none of several ports of 127.0.0.1 free for the cluster's API: try again")


def _created(client: Any, body: Body, name: str) -> Any:
    with explained(f"making the container {name}"):
        try:
            made = client.api.create_container_from_config(body, name)
        except APIError as error:
            if error.status_code != 409:
                raise
            raise DockerError(
                f"another container is called {name}: 'docker rm -f {name}' removes it; or take another name"
            ) from error
        return client.containers.get(made["Id"])


def _need_real(image: "Image") -> None:
    if not image.real:
        raise DockerError(
            f"the node image {image.tag} carries no real kubelet and control plane: "
            "'labs node-image build --from-debian --real DIR' makes one that does, from the binaries in DIR"
        )
