"""Bringing a new node its files, and this machine the credentials that lead to it."""

import http.client
import json
import tempfile
import time
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import yaml

from labs.nodes import kubeadm, kubeconfig, manifests
from labs.nodes.files import write_file
from labs.nodes.kind import provision
from labs.nodes.kind.container import Machine
from labs.nodes.kind.daemon import DockerError
from labs.nodes.kubeadm import NodeIdentity
from labs.nodes.layout import Layout
from labs.nodes.readiness import RETRY_SECONDS, Api
from labs.nodes.spec import REAL, Spec

#: How long the real API server may take until it answers for the first time.
API_SECONDS = 120.0
SUPER_ADMIN = "super-admin.conf"


def plant(
    machine: Machine,
    layout: Layout,
    node: NodeIdentity,
    spec: Spec,
    ground: provision.Ground,
    *,
    bare: bool,
) -> None:
    """Write all files of the new node, into it and, as far as they are for outside, into the cluster's directory."""
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        root = Path(directory)
        provision.write(root, node, spec, ground, bare=bare)
        machine.put(provision.archive(root))
        keep_credentials(root, node, layout, machine.port)


def keep_credentials(root: Path, node: NodeIdentity, layout: Layout, port: int) -> None:
    """What this machine needs to reach the API, made from the authority in the node's files below `root`."""
    layout.port.write_text(f"{port}\n")
    kubeadm.write_judge_credentials(root, node, layout.judge_credentials)
    kubeadm.write_host_kubeconfig(root, node, layout.kubeconfig, port)
    document = kubeconfig.renamed(yaml.safe_load(layout.kubeconfig.read_text()), f"kind-{node.cluster}")
    write_file(layout.kubeconfig, manifests.to_yaml(document), 0o600)


def bind_administrators(layout: Layout, machine: Machine) -> None:
    """Give kubeadm's administrators their rights, as `kubeadm init` does once the real API server answers."""
    api = Api.from_kubeconfig(layout.judge_credentials / "kubeconfig")
    body = json.dumps(provision.ADMIN_BINDING)
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    deadline, said = time.monotonic() + API_SECONDS, "nothing"
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", machine.port, context=api.context, timeout=10
            )
            with closing(connection):
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                status = connection.getresponse().status
            if status in (HTTPStatus.CREATED, HTTPStatus.CONFLICT):
                return
            said = f"{status}"
        except (OSError, http.client.HTTPException) as error:
            said = str(error)
        time.sleep(RETRY_SECONDS)
    raise DockerError(
        f"the API server of {machine.name} was not up after {API_SECONDS:.0f} s (it answered {said}): "
        f"'docker logs {machine.name}' and 'journalctl -u kubelet' on the node say more"
    )
