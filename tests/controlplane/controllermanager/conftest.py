"""One control plane with its controllers and two nodes, and a namespace for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ..plane import Plane
from .manager import Manager, StandInNode, managed, until

Object = dict[str, Any]
NODES = ["n1", "n2"]
_GROUPS = {
    **dict.fromkeys(("configmaps", "endpoints", "events", "pods", "serviceaccounts"), "/api/v1"),
    **dict.fromkeys(("controllerrevisions", "daemonsets", "deployments", "replicasets"), "/apis/apps/v1"),
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "jobs": "/apis/batch/v1",
}


@dataclass(frozen=True)
class World:
    """What a test acts on: kubectl in its own namespace."""

    plane: Plane
    manager: Manager
    nodes: StandInNode
    namespace: str

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints when all goes well."""
        return self.plane.ok("-n", self.namespace, *arguments, stdin=stdin)

    def get(self, plural: str, name: str = "", query: str = "") -> Any:
        """An object of the namespace, or the list of all of a kind, straight from the API."""
        path = f"{_GROUPS[plural]}/namespaces/{self.namespace}/{plural}"
        code, answer = self.plane.request("GET", f"{path}/{name}" if name else f"{path}{query}")
        assert code == 200, answer
        return answer

    def items(self, plural: str, query: str = "") -> list[Object]:
        """All objects of a kind."""
        found: list[Object] = self.get(plural, query=query)["items"]
        return found

    def names(self, plural: str, query: str = "") -> set[str]:
        """The names of all objects of a kind."""
        return {item["metadata"]["name"] for item in self.items(plural, query)}

    def events(self, kind: str, name: str) -> set[tuple[str, str]]:
        """Reasons and messages of what happened to an object."""
        query = f"?fieldSelector=involvedObject.kind={kind},involvedObject.name={name}"
        return {(event["reason"], event["message"]) for event in self.items("events", query)}


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plane, Manager, StandInNode]]:
    """The processes."""
    with managed(tmp_path_factory.mktemp("controllers"), NODES) as found:
        yield found


@pytest.fixture
def world(running: tuple[Plane, Manager, StandInNode]) -> Iterator[World]:
    """A namespace that only this test has; it is gone after the test with all that was in it."""
    plane, manager, nodes = running
    name = f"test-{uuid.uuid4().hex[:8]}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    until(lambda: plane.request("GET", account)[0] == 200)
    yield World(plane, manager, nodes, name)
    plane.request("DELETE", f"/api/v1/namespaces/{name}")
