"""Where a DaemonSet's pods are, and in which order they are replaced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.controlplane.controllermanager.daemonset import placement

from .build import LONG_AGO, NOW, pod

Object = dict[str, Any]


def daemon_set(**rolling: Any) -> Object:
    template = {"metadata": {"labels": {"app": "ds"}}, "spec": {"containers": [{"name": "c"}]}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return {
        "metadata": {"name": "ds", "uid": "ds"},
        "spec": {"template": template, "updateStrategy": strategy},
    }


def node(name: str, *taints: tuple[str, str], **labels: str) -> Object:
    listed = [{"key": key, "effect": effect} for key, effect in taints]
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": listed}}


def daemon_pod(name: str, where: str, hash_: str, *, ready: bool = True) -> Object:
    labels = {"controller-revision-hash": hash_}
    metadata = {"name": name, "uid": name, "labels": labels, "creationTimestamp": LONG_AGO}
    return pod(name, node=where, ready=ready, metadata=metadata)


def test_a_pod_tolerates_what_would_keep_ordinary_pods_away() -> None:
    template = placement.pod_template(daemon_set(), "h")

    assert [(t["key"], t["effect"]) for t in template["spec"]["tolerations"]] == [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ]


def test_a_pod_is_bound_to_its_node_by_an_affinity() -> None:
    spec = placement.bound_to(placement.pod_template(daemon_set(), "h"), "n1")["spec"]

    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    only = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    assert required == {"nodeSelectorTerms": [{"matchFields": [only]}]}
    assert placement.target_node({"metadata": {}, "spec": spec}) == "n1"


@pytest.mark.parametrize(
    ("taint", "expected"),
    [
        (("node.kubernetes.io/unschedulable", "NoSchedule"), (True, True)),
        (("node-role.kubernetes.io/control-plane", "NoSchedule"), (False, True)),
        (("mine", "NoExecute"), (False, False)),
        (("mine", "PreferNoSchedule"), (True, True)),
    ],
)
def test_a_taint_keeps_pods_away_or_drives_them_out(
    taint: tuple[str, str], expected: tuple[bool, bool]
) -> None:
    template = placement.pod_template(daemon_set(), "h")

    assert placement.should_run(template, node("n1", taint)) == expected


def test_nodes_that_fit_get_a_pod_and_others_lose_theirs() -> None:
    ds = daemon_set()
    ds["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    template = placement.pod_template(ds, "h")
    stray = daemon_pod("b", "n2", "h")

    plan = placement.plan(ds, template, [node("n1", disk="ssd"), node("n2")], {"n2": [stray]}, "h", NOW)

    assert (plan.create_on, plan.delete) == (["n1"], [stray])


def test_failed_pods_make_room_for_new_ones() -> None:
    ds, failed = daemon_set(), pod("a", phase="Failed")

    plan = placement.plan(ds, placement.pod_template(ds, "h"), [node("n1")], {"n1": [failed]}, "h", NOW)

    assert (plan.failed, plan.delete) == ([failed], [failed])


def test_of_two_pods_on_a_node_the_older_stays() -> None:
    ds, old = daemon_set(), daemon_pod("a", "n1", "h")
    young = daemon_pod("b", "n1", "h")
    young["metadata"]["creationTimestamp"] = "2026-11-23T17:00:00Z"

    plan = placement.plan(ds, placement.pod_template(ds, "h"), [node("n1")], {"n1": [young, old]}, "h", NOW)

    assert plan.delete == [young]


def test_pods_that_serve_nobody_are_replaced_first_and_beyond_the_limit() -> None:
    ds = daemon_set(maxUnavailable=1)
    nodes = [node("n1"), node("n2"), node("n3")]
    pods = {
        "n1": [daemon_pod("a", "n1", "old")],
        "n2": [daemon_pod("b", "n2", "old", ready=False)],
        "n3": [daemon_pod("c", "n3", "new", ready=False)],
    }

    plan = placement.rolling_update(ds, placement.pod_template(ds, "new"), nodes, pods, "new", NOW)

    assert plan.delete == pods["n2"]


@settings(deadline=None)
@given(
    st.integers(1, 8),
    st.one_of(st.integers(1, 4), st.sampled_from(["1%", "50%", "100%"])),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_a_rollout_keeps_its_bounds_and_gets_there(
    size: int, bound: int | str, surge: bool, random: Any
) -> None:
    ds = daemon_set(**({"maxSurge": bound, "maxUnavailable": 0} if surge else {"maxUnavailable": bound}))
    template = placement.pod_template(ds, "new")
    nodes = [node(f"n{i}") for i in range(size)]
    pods = {f"n{i}": [daemon_pod(f"n{i}-old", f"n{i}", "old")] for i in range(size)}
    down = 0 if surge else placement.max_unavailable(ds, nodes, template)
    extra = placement.max_surge(ds, nodes, template)

    for turn in range(100):
        for decide in (placement.plan, placement.rolling_update):
            plan = decide(ds, template, nodes, pods, "new", NOW)
            for gone in plan.delete:
                pods[placement.target_node(gone)].remove(gone)
            for name in plan.create_on:
                pods[name].append(daemon_pod(f"{name}-{turn}", name, "new", ready=False))
        served = [name for name, here in pods.items() if any(placement.is_ready(p) for p in here)]
        assert len(served) >= size - down
        assert sum(len(here) > 1 for here in pods.values()) <= extra
        waiting = [p for here in pods.values() for p in here if not placement.is_ready(p)]
        for ready in waiting[: random.randint(1, max(len(waiting), 1))]:
            ready["status"]["conditions"][0]["status"] = "True"

    assert all(
        [p["metadata"]["labels"]["controller-revision-hash"] for p in here] == ["new"]
        for here in pods.values()
    )
