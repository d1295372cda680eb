"""The node's CSINode in the API, as kubelet 1.36.2 leaves it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from labs.kubelet.api_client import ApiError
from labs.kubelet.csi_node import publish
from tests.kubelet.virtual_time import virtual

PLUGINS = (
    "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,kubernetes.io/cinder,"
    "kubernetes.io/gce-pd,kubernetes.io/portworx-volume,kubernetes.io/vsphere-volume"
)
ANNOTATION = "storage.alpha.kubernetes.io/migrated-plugins"
NODE = "/api/v1/nodes/n"
CSI_NODES = "/apis/storage.k8s.io/v1/csinodes"


class Objects:
    """An API with these objects, by path; `faults` are raised by the next requests."""

    def __init__(self, objects: dict[str, Any], *faults: ApiError) -> None:
        self.objects = objects
        self.faults = [*faults]
        self.asked: list[tuple[float, str]] = []

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = ""
    ) -> dict[str, Any]:
        self.asked.append((round(asyncio.get_running_loop().time(), 3), method))
        if self.faults:
            raise self.faults.pop(0)
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
        if body is not None:
            self.objects[path] = body
        if path not in self.objects:
            raise ApiError(404, f"{path} not found", "NotFound")
        found: dict[str, Any] = self.objects[path]
        return found


@virtual
async def test_it_is_made_with_the_node_as_its_owner_and_without_drivers() -> None:
    api = Objects({NODE: {"metadata": {"uid": "u1"}}})

    await publish(api, "n")

    made = api.objects[f"{CSI_NODES}/n"]
    assert made["metadata"] == {
        "name": "n",
        "annotations": {ANNOTATION: PLUGINS},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u1"}],
    }
    assert made["spec"] == {"drivers": None}


@virtual
async def test_one_that_is_there_keeps_what_else_it_says() -> None:
    there = {"metadata": {"name": "n", "annotations": {"mine": "1"}}, "spec": {"drivers": [{"name": "d"}]}}
    api = Objects({f"{CSI_NODES}/n": there})

    await publish(api, "n")

    assert api.objects[f"{CSI_NODES}/n"] == {
        "metadata": {"name": "n", "annotations": {"mine": "1", ANNOTATION: PLUGINS}},
        "spec": {"drivers": [{"name": "d"}]},
    }


@virtual
async def test_one_that_says_so_already_is_left_alone() -> None:
    api = Objects({f"{CSI_NODES}/n": {"metadata": {"name": "n", "annotations": {ANNOTATION: PLUGINS}}}})

    await publish(api, "n")

    assert [method for _, method in api.asked] == ["GET"]


@virtual
async def test_a_refusal_is_told_and_tried_again_after_ever_longer_waits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    node = {NODE: {"metadata": {"uid": "u1"}}}
    api = Objects(node, ApiError(403, "csinodes is forbidden"), ApiError(0, "connection refused"))

    await publish(api, "n")

    assert f"{CSI_NODES}/n" in api.objects
    assert [at for at, _ in api.asked] == [0, 0.015, 0.105, 0.105, 0.105]
    why = "error updating CSINode annotation: timed out waiting for the condition; caused by:"
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(f" csi_plugin.go:402] Failed to initialize CSINode: {why} csinodes is forbidden")
    assert second.endswith(f"{why} connection refused")
