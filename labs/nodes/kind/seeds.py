"""Bringing a new node its files, and this machine the credentials that lead to it."""

import http.client
import json
import tempfile
import time
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from labs.nodes import kubeadm, kubeconfig, manifests
from labs.nodes.files import write_file
from labs.nodes.kind import provision
from labs.nodes.kind.daemon import DockerError
from labs.nodes.kind.machine import Machine, fetch
from labs.nodes.kubeadm import NodeIdentity
from labs.nodes.layout import Layout
from labs.nodes.readiness import RETRY_SECONDS, Api
from labs.nodes.spec import Spec

#: How long the real API server may take until it answers for the first time.
API_SECONDS = 120.0


def plant(
    machine: Machine,
    layout: Layout,
    node: NodeIdentity,
    spec: Spec,
    ground: provision.Ground,
    *,
    bare: bool,
) -> None:
    """Write the new node's files into it, and those for outside into the cluster's directory."""
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        root = Path(directory)
        provision.write(root, node, spec, ground, bare=bare)
        machine.put(provision.archive(root))
        if not provision.by_kubeadm(spec, ground, bare=bare):
            keep_credentials(root, node, layout, machine.port)


def harvest(machine: Machine, layout: Layout, node: NodeIdentity) -> None:
    """Make the credentials for outside from the authority that kubeadm made in the node."""
    with tempfile.TemporaryDirectory(prefix="cks-labs-") as directory:
        fetch(machine, "etc/kubernetes/pki", Path(directory))
        keep_credentials(Path(directory), node, layout, machine.port)


def keep_credentials(root: Path, node: NodeIdentity, layout: Layout, port: int) -> None:
    """What this machine needs to reach the API, made from the authority in the node's files below `root`."""
    layout.port.write_text(f"{port}\n")
    kubeadm.write_judge_credentials(root, node, layout.judge_credentials)
    kubeadm.write_host_kubeconfig(root, node, layout.kubeconfig, port)
    document = kubeconfig.renamed(yaml.safe_load(layout.kubeconfig.read_text()), f"kind-{node.cluster}")
    write_file(layout.kubeconfig, manifests.to_yaml(document), 0o600)


def settle(machine: Machine, layout: Layout, spec: Spec) -> None:
    """Do what `kubeadm init` does once the real API server answers, and have all mirror pods made.

    A kubelet asks for its mirrors as soon as somebody listens, and an API server refuses them while it has
    no priority classes yet; the kubelet would ask again at its next sync, a minute later. A restarted one
    asks at once.
    """
    api = Api.from_kubeconfig(layout.judge_credentials / "kubeconfig")
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    waiting = _Waiting(machine, api)
    waiting.until("POST", bindings, {HTTPStatus.CREATED, HTTPStatus.CONFLICT}, provision.ADMIN_BINDING)
    waiting.until("GET", "/readyz", {HTTPStatus.OK})
    pods = json.loads(waiting.until("GET", "/api/v1/namespaces/kube-system/pods", {HTTPStatus.OK}))
    mirrors = {pod["metadata"]["name"] for pod in pods["items"]}
    if not mirrors >= {f"{component}-{machine.name}" for component in spec.components}:
        machine.run("systemctl restart kubelet", "restarting the kubelet")


class _Waiting:
    """Requests to an API server that is still starting, made until they get the answer that is wanted."""

    def __init__(self, machine: Machine, api: Api) -> None:
        self._machine = machine
        self._api = api
        self._deadline = time.monotonic() + API_SECONDS

    def until(self, method: str, path: str, wanted: set[HTTPStatus], body: Any = None) -> bytes:
        """The body of the first answer with a status among `wanted`."""
        text, headers = (json.dumps(body), {"Content-Type": "application/json"}) if body else (None, {})
        seen = "nothing"
        while time.monotonic() < self._deadline:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self._machine.port, context=self._api.context, timeout=10
            )
            try:
                with closing(connection):
                    connection.request(method, path, text, headers)
                    answer = connection.getresponse()
                    if answer.status in wanted:
                        return answer.read()
                    seen = f"status {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                seen = str(error)
            time.sleep(RETRY_SECONDS)
        raise DockerError(
            f"the API server of {self._machine.name} is not up after {API_SECONDS:.0f} s ({seen}): "
            f"'journalctl -u kubelet' on the node ('docker exec -it {self._machine.name} bash') says why"
        )
