"""A control plane that is shared, one for tests that break it, and a namespace for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from .plane import NODE, Plane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A running control plane that is shared: leave it as it was."""
    running = Plane(tmp_path_factory.mktemp("plane"))
    running.start_etcd()
    running.start()
    running.give_account("default")
    yield running
    running.stop()


@pytest.fixture
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A running control plane that only this test has."""
    running = Plane(tmp_path_factory.mktemp("own"))
    running.start_etcd()
    running.start()
    running.give_account("default")
    yield running
    running.stop()


@pytest.fixture
def namespace(plane: Plane) -> Iterator[str]:
    """A namespace that only this test has."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    plane.give_account(name)
    yield name
    plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def node_uid(plane: Plane) -> str:
    """The UID of the node that the shared control plane has."""
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ok"}],
        },
    }
    status, created = plane.request("POST", "/api/v1/nodes", node, user="node")
    assert status == 201, created
    return str(created["metadata"]["uid"])


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    """One that can be read; nobody answers there."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\n"
    )
    return str(path)
