"""How a rolling update goes: by which steps, within which bounds, and that it gets there."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labs.controlplane.controllermanager.deployment import scaling

from .build import deployment, replica_set

Object = dict[str, Any]


def sizes(steps: list[scaling.Scale]) -> dict[str, int]:
    return {step.replica_set["metadata"]["name"]: step.replicas for step in steps}


def rolling(surge: int | str, unavailable: int | str, replicas: int) -> Object:
    settings = {"maxSurge": surge, "maxUnavailable": unavailable}
    return deployment(replicas, strategy={"type": "RollingUpdate", "rollingUpdate": settings})


def test_a_new_replica_set_first_goes_up_by_the_surge() -> None:
    d = rolling("25%", "25%", 10)

    assert sizes(scaling.rolling_step(d, replica_set("new", 0), [replica_set("old", 10)])) == {"new": 3}


def test_then_the_old_one_goes_down_by_what_may_be_missing() -> None:
    d = rolling("25%", "25%", 10)

    assert sizes(scaling.rolling_step(d, replica_set("new", 3, 0), [replica_set("old", 10)])) == {"old": 8}


def test_surge_is_rounded_up_and_unavailability_down() -> None:
    d = rolling("25%", "25%", 3)

    assert (scaling.max_surge(d), scaling.max_unavailable(d)) == (1, 0)


def test_where_both_are_zero_one_pod_may_be_missing() -> None:
    d = rolling(0, "10%", 3)

    assert (scaling.max_surge(d), scaling.max_unavailable(d)) == (0, 1)


def test_old_pods_that_serve_nobody_go_first() -> None:
    d = rolling(1, 1, 3)
    broken = replica_set("broken", 1, 0, creationTimestamp="2026-11-23T12:00:00Z")

    steps = scaling.rolling_step(d, replica_set("new", 1, 0), [replica_set("old", 2), broken])

    assert sizes(steps) == {"broken": 0}


def test_a_change_of_size_in_the_midst_of_a_rollout_is_shared_in_proportion() -> None:
    d = rolling(3, 2, 15)
    maximum = {"annotations": {"deployment.kubernetes.io/max-replicas": "13"}}

    steps = scaling.resized(d, replica_set("new", 5, **maximum), [replica_set("old", 8, **maximum)])

    assert sizes(steps) == {"old": 11, "new": 7}


def test_recreate_takes_all_old_pods_down_at_once() -> None:
    steps = scaling.all_down([replica_set("old", 3), replica_set("older", 0)])

    assert sizes(steps) == {"old": 0}


bounds = st.one_of(st.integers(0, 6), st.integers(0, 100).map(lambda n: f"{n}%"))


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[Object, Object, list[Object]]:
    """A Deployment in the midst of one or several rollouts, as its own steps might have left it."""
    replicas = draw(st.integers(1, 12))
    d = rolling(draw(bounds), draw(bounds), replicas)
    most = replicas + scaling.max_surge(d)
    counts = draw(st.lists(st.integers(0, most), min_size=1, max_size=3))
    old = []
    for index, count in enumerate(counts):
        took = sum(scaling.size(rs) for rs in old)
        old.append(replica_set(f"old{index}", min(count, most - took), image=f"web:{index + 2}"))
    return d, replica_set("new", 0), old


@settings(deadline=None)
@given(rollouts(), st.randoms(use_true_random=False))
def test_a_rollout_stays_within_its_bounds_and_gets_there(
    rollout: tuple[Object, Object, list[Object]], random: Any
) -> None:
    d, new, old = rollout
    replicas, everything = scaling.wanted(d), [*old, new]
    most, least = replicas + scaling.max_surge(d), replicas - scaling.max_unavailable(d)
    reached = sum(map(scaling.available, everything)) >= least

    for _ in range(200):
        steps = scaling.rolling_step(d, new, old)
        for step in steps:
            rs = step.replica_set
            rs["spec"]["replicas"] = step.replicas
            rs["status"]["availableReplicas"] = min(scaling.available(rs), step.replicas)
        assert sum(map(scaling.size, everything)) <= most
        is_available = sum(map(scaling.available, everything))
        assert is_available >= least or not reached
        reached = reached or is_available >= least
        lacking = [rs for rs in everything if scaling.available(rs) < scaling.size(rs)]
        if not steps and not lacking:
            break
        for rs in lacking[: random.randint(1, len(lacking))] if lacking else []:
            rs["status"]["availableReplicas"] += 1

    assert {rs["metadata"]["name"]: scaling.size(rs) for rs in everything if scaling.size(rs)} == {
        "new": replicas
    }
