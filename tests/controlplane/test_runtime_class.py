"""What a pod's RuntimeClass adds to it when it is created."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from labs.controlplane.apiserver.admission import _runtime_class
from labs.controlplane.apiserver.status import APIError

TOLERATION = {"key": "sandbox", "operator": "Exists"}
SAFE: dict[str, Any] = {
    "metadata": {"name": "safe"},
    "handler": "runsc",
    "overhead": {"podFixed": {"cpu": "10m"}},
    "scheduling": {"nodeSelector": {"safe": "yes"}, "tolerations": [TOLERATION]},
}


def admitted(runtime_class: dict[str, Any] | None, **spec: Any) -> dict[str, Any]:
    """The pod's spec afterwards."""
    pod = {"metadata": {"name": "web"}, "spec": copy.deepcopy(spec)}
    _runtime_class.admit(pod, runtime_class)
    _runtime_class.check(pod, runtime_class)
    return pod["spec"]


def test_a_pod_without_a_class_stays_as_it_is() -> None:
    assert admitted(None, nodeSelector={"a": "b"}) == {"nodeSelector": {"a": "b"}}


def test_a_class_gives_overhead_and_scheduling() -> None:
    assert admitted(SAFE, runtimeClassName="safe") == {
        "runtimeClassName": "safe",
        "overhead": {"cpu": "10m"},
        "nodeSelector": {"safe": "yes"},
        "tolerations": [TOLERATION],
    }


def test_what_the_pod_has_itself_is_kept() -> None:
    own = {"key": "mine", "operator": "Exists"}

    found = admitted(SAFE, runtimeClassName="safe", nodeSelector={"a": "b"}, tolerations=[own, TOLERATION])

    assert found["nodeSelector"] == {"a": "b", "safe": "yes"}
    assert found["tolerations"] == [own, TOLERATION]


@pytest.mark.parametrize(
    ("runtime_class", "spec", "why"),
    [
        (None, {"runtimeClassName": "kata"}, 'pod rejected: RuntimeClass "kata" not found'),
        (
            SAFE,
            {"runtimeClassName": "safe", "overhead": {"cpu": "1"}},
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
        (
            {"handler": "runc"},
            {"runtimeClassName": "plain", "overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            SAFE,
            {"runtimeClassName": "safe", "nodeSelector": {"safe": "no"}},
            "conflict: runtimeClass.scheduling.nodeSelector[safe] = yes; pod.spec.nodeSelector[safe] = no",
        ),
    ],
)
def test_what_does_not_go_with_its_class_is_refused(
    runtime_class: dict[str, Any] | None, spec: dict[str, Any], why: str
) -> None:
    with pytest.raises(APIError) as refused:
        admitted(runtime_class, **spec)

    assert (refused.value.code, str(refused.value)) == (403, f'pods "web" is forbidden: {why}')
