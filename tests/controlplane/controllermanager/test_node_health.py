"""What a node's conditions call for, and which ranges nodes get."""

from __future__ import annotations

from typing import Any

import pytest

from labs.controlplane.controllermanager.nodes import health
from labs.controlplane.controllermanager.nodes.ipam import free_ranges
from labs.controlplane.controllermanager.nodes.ttl import ttl_for

from .build import LONG_AGO, NOW

Object = dict[str, Any]


def node(
    ready: str | None = "True", *taints: Object, unschedulable: bool = False, **conditions: str
) -> Object:
    listed = [{"type": kind, "status": status} for kind, status in conditions.items()]
    if ready:
        listed.append({"type": "Ready", "status": ready, "reason": "KubeletReady", "message": "ok"})
    spec: Object = {"taints": list(taints)}
    if unschedulable:
        spec["unschedulable"] = True
    metadata = {"name": "n1", "creationTimestamp": LONG_AGO}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": listed}}


def keys(taints: list[Object]) -> list[str]:
    return [f"{taint['key'].rpartition('/')[2]}:{taint['effect']}" for taint in taints]


@pytest.mark.parametrize(
    ("given", "taints"),
    [
        (node("True"), []),
        (node("False"), ["not-ready:NoSchedule"]),
        (node("Unknown"), ["unreachable:NoSchedule"]),
        (node("True", MemoryPressure="True"), ["memory-pressure:NoSchedule"]),
        (node("True", unschedulable=True), ["unschedulable:NoSchedule"]),
    ],
)
def test_conditions_keep_new_pods_away(given: Object, taints: list[str]) -> None:
    assert keys(health.with_schedule_taints(given, NOW)) == taints


def test_taints_of_others_stay_and_taints_without_a_cause_go() -> None:
    mine = {"key": "mine", "effect": "NoSchedule"}
    stale = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}

    assert health.with_schedule_taints(node("True", mine, stale), NOW) == [mine]


def test_a_node_that_is_not_heard_of_loses_its_pods_but_not_when_none_is_heard_of() -> None:
    assert keys(health.with_execute_taint(node("Unknown"), NOW, evict=True)) == ["unreachable:NoExecute"]
    assert keys(health.with_execute_taint(node("False"), NOW, evict=True)) == ["not-ready:NoExecute"]
    assert health.with_execute_taint(node("Unknown"), NOW, evict=False) == []


def test_one_reason_for_driving_pods_out_takes_the_others_place() -> None:
    before = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}

    assert keys(health.with_execute_taint(node("Unknown", before), NOW, evict=True)) == [
        "unreachable:NoExecute"
    ]


def test_a_silent_node_has_unknown_conditions() -> None:
    status = health.not_heard_of(node("True"), NOW)

    told = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert told == {
        "Ready": ("Unknown", "NodeStatusUnknown"),
        "MemoryPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "DiskPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "PIDPressure": ("Unknown", "NodeStatusNeverUpdated"),
    }


@pytest.mark.parametrize(
    ("ready", "state"),
    [
        (["True", "Unknown"], health.Zone.NORMAL),
        (["Unknown"], health.Zone.FULL),
        (["True", "Unknown", "Unknown", "Unknown"], health.Zone.PARTIAL),
        ([], health.Zone.NORMAL),
    ],
)
def test_when_most_nodes_are_silent_the_fault_is_elsewhere(ready: list[str], state: health.Zone) -> None:
    assert health.zone_state([node(one) for one in ready]) is state


def test_each_node_gets_a_range_that_overlaps_none() -> None:
    free = free_ranges("10.244.0.0/16", 24, ["10.244.0.0/24", "10.244.2.0/23"])

    assert [next(free), next(free)] == ["10.244.1.0/24", "10.244.4.0/24"]


def test_there_are_only_so_many_ranges() -> None:
    assert list(free_ranges("10.244.0.0/23", 24, [])) == ["10.244.0.0/24", "10.244.1.0/24"]


@pytest.mark.parametrize(("nodes", "seconds"), [(1, 0), (100, 0), (101, 15), (5000, 300)])
def test_in_a_larger_cluster_kubelets_keep_objects_longer(nodes: int, seconds: int) -> None:
    assert ttl_for(nodes) == seconds
