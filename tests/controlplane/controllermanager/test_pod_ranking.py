"""Which pods a ReplicaSet gives up first."""

from __future__ import annotations

from typing import Any

import pytest

from labs.controlplane.controllermanager.pods import in_order_of_deletion, is_available

from .build import NOW, pod

Object = dict[str, Any]
YOUNG, OLD = "2026-11-23T17:59:50Z", "2026-11-23T12:00:00Z"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("a", node=""), pod("b")),
        (pod("a", phase="Pending"), pod("b")),
        (pod("a", ready=False), pod("b")),
        (
            pod("a", metadata={"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}}),
            pod("b"),
        ),
        (pod("a", ready=YOUNG), pod("b", ready=OLD)),
        (pod("a", status={"containerStatuses": [{"restartCount": 3}]}), pod("b")),
        (pod("a", metadata={"creationTimestamp": YOUNG}), pod("b")),
    ],
    ids=["not assigned", "pending", "not ready", "cheaper", "ready for less long", "restarted", "younger"],
)
def test_of_two_pods_one_goes_first(first: Object, second: Object) -> None:
    assert in_order_of_deletion([second, first], [], NOW) == [first, second]


def test_of_two_alike_the_one_on_the_fuller_node_goes_first() -> None:
    alone, crowded = pod("a", node="n1"), pod("b", node="n2")

    order = in_order_of_deletion([alone, crowded], [alone, crowded, pod("c", node="n2")], NOW)

    assert order == [crowded, alone]


def test_a_pod_is_available_when_it_has_been_ready_for_long_enough() -> None:
    ten_seconds_ready = pod("a", ready=YOUNG)

    assert is_available(ten_seconds_ready, 10, NOW)
    assert not is_available(ten_seconds_ready, 11, NOW)
    assert not is_available(pod("b", ready=False), 0, NOW)
