"""What a deletion leaves on an object for the garbage collector."""

from __future__ import annotations

from typing import Any

import pytest

from labs.controlplane.apiserver import propagation

from .plane import Plane


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [("Orphan", ["orphan"]), ("Foreground", ["foregroundDeletion"])],
)
def test_a_policy_stays_on_the_object_as_a_finalizer(
    plane: Plane, namespace: str, policy: str, finalizers: list[str]
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", path, {"metadata": {"name": "owner"}})

    code, answer = plane.request("DELETE", f"{path}/owner", {"propagationPolicy": policy})

    assert (code, answer["kind"]) == (200, "ConfigMap")
    assert answer["metadata"]["finalizers"] == finalizers
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 0
    code, _ = plane.request(
        "PATCH", f"{path}/owner", {"metadata": {"finalizers": None}},
        headers={"Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    assert plane.request("GET", f"{path}/owner")[0] == 404


def test_background_takes_the_other_policies_back(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", path, {"metadata": {"name": "owner"}})
    plane.request("DELETE", f"{path}/owner?propagationPolicy=Foreground")

    plane.request("DELETE", f"{path}/owner", {"propagationPolicy": "Background"})

    assert plane.request("GET", f"{path}/owner")[0] == 404


def test_a_policy_that_is_none_is_refused(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", path, {"metadata": {"name": "owner"}})

    code, answer = plane.request("DELETE", f"{path}/owner", {"propagationPolicy": "Sideways"})

    assert code == 422
    assert answer["message"].startswith(
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": '
    )
    plane.request("DELETE", f"{path}/owner")


@pytest.mark.parametrize(
    ("before", "policy", "orphans", "after"),
    [
        ([], "", False, []),
        ([], "", True, ["orphan"]),
        (["foregroundDeletion"], "", True, ["foregroundDeletion"]),
        (["orphan", "mine"], "Foreground", False, ["mine", "foregroundDeletion"]),
        (["foregroundDeletion", "mine"], "Background", True, ["mine"]),
    ],
)
def test_without_a_policy_the_finalizers_and_the_kind_decide(
    before: list[str], policy: str, orphans: bool, after: list[str]
) -> None:
    metadata: dict[str, Any] = {"finalizers": list(before)} if before else {}

    propagation.set_finalizers(metadata, policy, orphans=orphans)

    assert metadata.get("finalizers", []) == after
