"""How many pods may be evicted now."""

from __future__ import annotations

from typing import Any

import pytest

from labs.controlplane.controllermanager.disruption import budget

from .build import NOW, pod

Object = dict[str, Any]


def owned(name: str, *, ready: bool = True, owner: str = "rs") -> Object:
    found = pod(name, ready=ready)
    found["metadata"]["ownerReferences"] = [
        {"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}
    ]
    return found


def status(spec: Object, pods: list[Object], size: int | None = 4, **before: Any) -> Object:
    return budget.status(
        {"metadata": {"generation": 1}, "spec": spec, "status": before}, pods, lambda _: size, NOW
    )


@pytest.mark.parametrize(
    ("spec", "ready", "allowed"),
    [
        ({"minAvailable": 2}, 3, 1),
        ({"minAvailable": 2}, 2, 0),
        ({"minAvailable": "50%"}, 4, 2),
        ({"minAvailable": "60%"}, 4, 1),
        ({"maxUnavailable": 1}, 4, 1),
        ({"maxUnavailable": 1}, 3, 0),
        ({"maxUnavailable": "30%"}, 4, 2),
        ({"maxUnavailable": 0}, 4, 0),
    ],
)
def test_what_is_healthy_beyond_what_must_be_may_go(spec: Object, ready: int, allowed: int) -> None:
    pods = [owned(f"p{i}", ready=i < ready) for i in range(4)]

    found = status(spec, pods)

    assert (found["currentHealthy"], found["disruptionsAllowed"]) == (ready, allowed)
    assert found["conditions"][0]["reason"] == ("SufficientPods" if allowed else "InsufficientPods")


def test_a_pod_whose_eviction_was_allowed_counts_as_gone_for_two_minutes() -> None:
    pods = [owned("a"), owned("b")]

    recent = status({"minAvailable": 1}, pods, disruptedPods={"a": "2026-11-23T17:59:00Z"})
    long_ago = status({"minAvailable": 1}, pods, disruptedPods={"a": "2026-11-23T17:50:00Z"})

    assert (recent["disruptionsAllowed"], list(recent["disruptedPods"])) == (0, ["a"])
    assert (long_ago["disruptionsAllowed"], "disruptedPods" in long_ago) == (1, False)


def test_a_percentage_of_pods_that_nobody_owns_is_unknown() -> None:
    with pytest.raises(budget.Unscalable, match='found no controller ref for pod "a"'):
        status({"maxUnavailable": 1}, [pod("a")])


def test_without_pods_nothing_may_go() -> None:
    assert status({"minAvailable": 0}, [])["disruptionsAllowed"] == 0
