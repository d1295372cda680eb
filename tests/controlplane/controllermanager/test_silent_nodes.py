"""What is noticed of nodes that are not heard of, and what becomes of their pods."""

from __future__ import annotations

from typing import Any

import pytest

from ..plane import Plane
from .manager import managed, until

Object = dict[str, Any]
POD = "/api/v1/namespaces/default/pods"


def get(plane: Plane, path: str) -> Object:
    code, found = plane.request("GET", path)
    assert code == 200, found
    result: Object = found
    return result


def taints(plane: Plane, name: str) -> set[tuple[str, str]]:
    found = get(plane, f"/api/v1/nodes/{name}")["spec"].get("taints", [])
    return {(taint["key"].rpartition("/")[2], taint["effect"]) for taint in found}


def ready(plane: Plane, path: str) -> Object:
    [found] = [c for c in get(plane, path)["status"]["conditions"] if c["type"] == "Ready"]
    result: Object = found
    return result


def told(plane: Plane) -> set[tuple[str, str]]:
    return {(e["reason"], e["message"]) for e in get(plane, "/api/v1/events")["items"]}


def run_pod(plane: Plane, name: str, node: str, stays: int) -> None:
    """A pod on a node that it stays on for so long after the node has gone silent."""
    container = {"name": "c", "image": "web:1"}
    tolerations = [
        {
            "key": f"node.kubernetes.io/{why}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": stays,
        }
        for why in ("unreachable", "not-ready")
    ]
    pod = {
        "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": [container], "tolerations": tolerations},
    }
    until(lambda: plane.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200)
    code, answer = plane.request("POST", POD, pod)
    assert code == 201, answer
    until(lambda: get(plane, f"{POD}/{name}")["status"].get("phase") == "Running")


def test_when_no_node_is_heard_of_all_are_unknown_and_no_pod_is_driven_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    flags = {"node-monitor-grace-period": "1s", "node-monitor-period": "1s"}
    with managed(tmp_path_factory.mktemp("silent"), ["silent"], **flags) as (plane, manager, _):
        run_pod(plane, "web", "silent", 0)

        until(lambda: ready(plane, "/api/v1/nodes/silent")["status"] == "Unknown")
        until(lambda: ("NodeNotReady", "Node silent status is now: NodeNotReady") in told(plane))
        until(lambda: ("unreachable", "NoSchedule") in taints(plane, "silent"))

        said = ready(plane, "/api/v1/nodes/silent")
        assert (said["reason"], said["message"]) == (
            "NodeStatusUnknown",
            "Kubelet stopped posting node status.",
        )
        assert manager.says("Entering master disruption mode")
        assert taints(plane, "silent") == {("unreachable", "NoSchedule")}
        assert "deletionTimestamp" not in get(plane, f"{POD}/web")["metadata"]


def test_a_node_that_is_unwell_loses_its_pods_when_others_are_well(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with managed(tmp_path_factory.mktemp("unwell"), ["well", "unwell"]) as (plane, _, _):
        run_pod(plane, "leaves", "unwell", 0)
        run_pod(plane, "stays", "unwell", 3600)
        conditions = [{"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "no"}]

        plane.request(
            "PATCH", "/api/v1/nodes/unwell/status", {"status": {"conditions": conditions}},
            headers={"Content-Type": "application/strategic-merge-patch+json"},
        )  # fmt: skip

        until(lambda: plane.request("GET", f"{POD}/leaves")[0] == 404)
        assert taints(plane, "unwell") == {("not-ready", "NoExecute"), ("not-ready", "NoSchedule")}
        assert taints(plane, "well") == set()
        assert "deletionTimestamp" not in get(plane, f"{POD}/stays")["metadata"]
        until(lambda: ("TaintManagerEviction", "Marking for deletion Pod default/leaves") in told(plane))

        plane.ok("cordon", "well")
        until(lambda: ("unschedulable", "NoSchedule") in taints(plane, "well"))
        plane.ok("uncordon", "well")
        until(lambda: taints(plane, "well") == set())
