"""`labs attach`: use a cluster that the kind CLI made, with the kubelet and control plane it has.

The node gets what the recorder needs (our programs, an audit log of the API server) and keeps all else.
`labs down` gives the API server its own manifest back and leaves the cluster to the kind CLI.
"""

import tempfile
from pathlib import Path
from typing import Any

import yaml
from docker.errors import NotFound

from labs.nodes import manifests
from labs.nodes.files import write_file
from labs.nodes.kind import daemon, provision
from labs.nodes.kind.daemon import DockerError, explained
from labs.nodes.kind.machine import Machine, fetch, find, nodes_of
from labs.nodes.kind.options import DIRECTORY_LABEL
from labs.nodes.kind.seeds import keep_credentials
from labs.nodes.layout import Layout

APISERVER = "etc/kubernetes/manifests/kube-apiserver.yaml"
#: Where our programs are, and the Python they run on.
PROGRAMS = ("/opt/cks-labs", "/usr")


def refuse_unfit(cluster: str) -> None:
    """`DockerError` when there is no kind cluster of that name that can be attached."""
    nodes = nodes_of(daemon.connect(), cluster)
    if not nodes:
        raise DockerError(
            f"there is no kind cluster '{cluster}': 'kind create cluster --name {cluster}' makes one, "
            f"'labs up {cluster} --backend kind' one of the labs' own"
        )
    if any(DIRECTORY_LABEL in node.labels for node in nodes):
        raise DockerError(
            f"'{cluster}' is a cluster of the labs, of another user or of a lost state directory: "
            f"'docker rm -fv {cluster}-control-plane' removes it"
        )
    if len(nodes) > 1:
        raise DockerError(
            f"'{cluster}' has {len(nodes)} nodes, and the labs are about one: "
            f"'kind create cluster --name {cluster}' without a configuration makes such a cluster"
        )


def adopt(client: Any, container: Any, layout: Layout, progress: Any) -> Machine:
    """Have the running cluster in `container` serve the labs."""
    if container.status != "running":
        with explained(f"starting {container.name}"):
            container.start()
    machine = Machine.of(client, container)
    _bring_programs(machine, progress)
    progress("having the API server keep an audit log")
    node = provision.identity(layout.cluster, machine.name, machine.address)
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        root, new = Path(directory, "node"), Path(directory, "new")
        fetch(machine, "etc/kubernetes", root)
        own = (root / APISERVER).read_text()
        audited = manifests.to_yaml(manifests.with_audit(yaml.safe_load(own)))
        if not (kept := layout.directory / "kube-apiserver.yaml").exists():
            write_file(kept, own, 0o600)
        write_file(new / manifests.AUDIT_POLICY.lstrip("/"), manifests.to_yaml(provision.audit_policy()))
        machine.put(provision.archive(new))
        _replace_manifest(machine, audited)
        keep_credentials(root, node, layout, machine.port)
    return machine


def release(layout: Layout) -> None:
    """Leave an attached cluster to the kind CLI, its API server as that had made it."""
    kept = layout.directory / "kube-apiserver.yaml"
    if not kept.exists():
        return
    container = find(daemon.connect(), layout.cluster)
    if container is None or container.status != "running":
        return
    machine = Machine.of(container.client, container)
    _replace_manifest(machine, kept.read_text())


def _replace_manifest(machine: Machine, text: str) -> None:
    """Put the API server's manifest in place by a rename: a kubelet must never read half of it."""
    draft = "etc/kubernetes/kube-apiserver.yaml.new"
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        write_file(Path(directory, draft), text, 0o600)
        machine.put(provision.archive(Path(directory)))
    machine.run(f"mv /{draft} /{APISERVER}", "changing the API server's manifest")


def _bring_programs(machine: Machine, progress: Any) -> None:
    """Copy our programs from our node image, when the node's image is what ours was made from."""
    from labs.nodes.image import node_image

    image = node_image(machine.client, progress)
    with explained("comparing images"):
        ours = machine.client.images.get(image.id).attrs["RootFS"]["Layers"]
        theirs = machine.container.image.attrs["RootFS"]["Layers"]
    if ours == theirs:
        return
    if ours[: len(theirs)] != theirs:
        raise DockerError(
            f"{machine.name} was made from another image than the labs' programs are for: make it with "
            "'kind create cluster --image' and the image that labs/nodes/image/names.py names, then attach it"
        )
    progress("copying the labs' programs to the node")
    with explained("copying the labs' programs"):
        source = machine.client.containers.create(image.id, network_disabled=True)
        try:
            for path in PROGRAMS:
                pieces, _ = source.get_archive(path)
                machine.container.put_archive(str(Path(path).parent), b"".join(pieces))
        except NotFound as error:
            raise DockerError(f"{image.tag} is no node image of the labs: 'labs node-image build'") from error
        finally:
            source.remove(v=True)
