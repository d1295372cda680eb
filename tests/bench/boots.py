"""How long `labs up` takes, on each kind of node that this machine can have."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from labs.cluster import Cluster
from labs.errors import LabsError
from labs.nodes.image import node_image
from labs.nodes.kind import daemon
from labs.nodes.readiness import Api
from labs.nodes.state import cluster_directory

LABS = Path(sys.executable).with_name("labs")
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
REAL = "kind, real kubelet and control plane"


def kinds_of_nodes() -> tuple[dict[str, dict[str, str]], list[str]]:
    """What can be booted here, as options of `Cluster.up`, and why the rest can't."""
    kinds: dict[str, dict[str, str]] = {"embedded": {}}
    try:
        image = node_image(daemon.connect(), lambda _: None)
    except LabsError as error:
        return kinds, [f"no kind node here: {error}"]
    kinds["kind"] = {"backend": "kind"}
    if not image.real:
        return kinds, [f"no real components in {image.tag}: labs node-image build --from-debian --real DIR"]
    kinds[REAL] = {"backend": "kind", "engine": "kubelet"}
    return kinds, []


def boot(name: str, options: dict[str, str]) -> Iterator[tuple[str, float]]:
    """One `labs up`, to an API server and to a control plane that are ready, and a first command."""
    started = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        answered = beside.submit(api_ready, cluster_directory(name) / "kubeconfig")
        cluster = Cluster.up(name, **options)
        try:
            yield "boot to API ready", answered.result() - started
            yield "boot to all of the control plane Ready", cluster.seconds
            asked = time.monotonic()
            subprocess.run([LABS, "node", "-c", name, "--", "true"], check=True)
            yield "labs node -- true", time.monotonic() - asked
        finally:
            cluster.down()


def api_ready(kubeconfig: Path) -> float:
    """The moment at which the API server says that it is ready; `kubeconfig` may come to be meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError, HTTPException, TypeError):  # a kubeconfig half written is none
            api = Api.from_kubeconfig(kubeconfig)
            connection = HTTPSConnection(api.host, api.port, context=api.context, timeout=1)
            with closing(connection):
                connection.request("GET", "/readyz")
                if connection.getresponse().status == HTTPStatus.OK:
                    return time.monotonic()
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"bench: no API server within {PATIENCE_SECONDS:.0f} s")
