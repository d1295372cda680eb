"""What a PUT does to an object that is not there, or is another one than the client means.

Asked of a real API server 1.36.2, kind by kind.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from .plane import Plane

OTHER = "11111111-1111-1111-1111-111111111111"
CREATING = {
    ("v1", "endpoints", "Endpoints"): "services/endpoints",
    ("v1", "events", "Event"): "events",
    ("v1", "limitranges", "LimitRange"): "limitranges",
    ("v1", "services", "Service"): "services/specs",
    ("coordination.k8s.io/v1", "leases", "Lease"): "leases",
    ("rbac.authorization.k8s.io/v1", "roles", "Role"): "roles",
    ("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"): "rolebindings",
}
CREATING_IN_NO_NAMESPACE = {
    ("node.k8s.io/v1", "runtimeclasses", "RuntimeClass"): "runtimeclasses",
    ("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole"): "clusterroles",
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding"): "clusterrolebindings",
}


def path(version: str, plural: str, namespace: str = "") -> str:
    """Of the object that is asked for."""
    scope = f"namespaces/{namespace}/" if namespace else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}/{scope}{plural}/absent"


def means_another(qualified: str, key: str, name: str = "absent", there: str = "") -> str:
    return (
        f'Operation cannot be fulfilled on {qualified} "{name}": StorageError: invalid object, Code: 4, '
        f"Key: /registry/{key}/{name}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {OTHER}, UID in object meta: {there}"
    )


@pytest.mark.parametrize(("kind", "prefix"), (CREATING | CREATING_IN_NO_NAMESPACE).items(), ids=str)
def test_an_object_that_has_a_uid_is_not_made_anew(
    plane: Plane, namespace: str, kind: tuple[str, str, str], prefix: str
) -> None:
    version, plural, name = kind
    scope = namespace if kind in CREATING else ""
    obj = {"apiVersion": version, "kind": name, "metadata": {"name": "absent", "uid": OTHER}}

    code, answer = plane.request("PUT", path(version, plural, scope), obj)

    qualified = plural + (f".{version.partition('/')[0]}" if "/" in version else "")
    key = f"{prefix}/{scope}" if scope else prefix
    assert (code, answer["reason"]) == (409, "Conflict")
    assert answer["message"] == means_another(qualified, key)


@pytest.mark.parametrize(
    ("version", "plural", "kind"),
    [
        ("v1", "configmaps", "ConfigMap"),
        ("v1", "secrets", "Secret"),
        ("apps/v1", "deployments", "Deployment"),
    ],
)
def test_most_kinds_are_made_by_no_put(
    plane: Plane, namespace: str, version: str, plural: str, kind: str
) -> None:
    obj = {"apiVersion": version, "kind": kind, "metadata": {"name": "absent", "uid": OTHER}}

    code, answer = plane.request("PUT", path(version, plural, namespace), obj)

    assert (code, answer["reason"]) == (404, "NotFound")


def test_a_version_of_what_is_not_there_is_not_looked_at(plane: Plane, namespace: str) -> None:
    lease: dict[str, Any] = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "absent", "resourceVersion": "5"},
        "spec": {},
    }

    code, made = plane.request("PUT", path("coordination.k8s.io/v1", "leases", namespace), lease)

    assert code == 201
    assert made["metadata"]["resourceVersion"] != "5"
    assert "managedFields" not in made["metadata"]


def test_an_object_that_was_made_anew_is_not_the_one_that_the_client_means(
    plane: Plane, namespace: str
) -> None:
    where = f"/api/v1/namespaces/{namespace}/configmaps"
    _, made = plane.request("POST", where, {"metadata": {"name": "here"}})

    code, answer = plane.request("PUT", f"{where}/here", {"metadata": {"name": "here", "uid": OTHER}})

    there = made["metadata"]["uid"]
    assert code == 409
    assert answer["message"] == means_another("configmaps", f"configmaps/{namespace}", "here", there)


def test_nobody_manages_what_an_event_shows_without_having_been_told(plane: Plane, namespace: str) -> None:
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"namespace": namespace},
        "eventTime": None,
        "lastTimestamp": "2026-11-23T17:55:13Z",
        "reportingComponent": "kubelet",
        "reportingInstance": "",
    }

    _, made = plane.request("POST", f"/api/v1/namespaces/{namespace}/events", event)

    (entry,) = made["metadata"]["managedFields"]
    assert sorted(entry["fieldsV1"]) == ["f:involvedObject", "f:lastTimestamp", "f:reportingComponent"]


LEASE: dict[str, Any] = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "absent"},
    "spec": {},
}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "absent"}, "data": {"a": "b"}}


@pytest.mark.parametrize("dry_run", [(), ("--dry-run=server",)])
def test_who_may_only_change_makes_nothing_new(
    plane: Plane, namespace: str, dry_run: tuple[str, ...]
) -> None:
    work = ("-n", namespace)
    what = "--resource=leases.coordination.k8s.io,configmaps"
    plane.ok(*work, "create", "role", "changes", "--verb=get,update,patch", what)
    plane.ok(*work, "create", "rolebinding", "changes", "--role=changes", "--user=bob")
    bob = (*work, "--as=bob")

    put = plane.kubectl(*bob, "replace", *dry_run, "-f", "-", stdin=json.dumps(LEASE))
    applied = plane.kubectl(*bob, "apply", "--server-side", *dry_run, "-f", "-", stdin=json.dumps(CONFIG_MAP))
    wrong = {**LEASE, "spec": {"leaseDurationSeconds": -1}}
    wrong_put = plane.kubectl(*bob, "replace", *dry_run, "-f", "-", stdin=json.dumps(wrong))

    assert put.stderr == (
        'Error from server (Forbidden): error when replacing "STDIN": leases.coordination.k8s.io "absent" is '
        'forbidden: User "bob" cannot create resource "leases" in API group "coordination.k8s.io" in the '
        f'namespace "{namespace}"\n'
    )
    assert applied.stderr == (
        'Error from server (Forbidden): configmaps "absent" is forbidden: User "bob" cannot create resource '
        f'"configmaps" in API group "" in the namespace "{namespace}"\n'
    )
    assert "spec.leaseDurationSeconds: Invalid value: -1: must be greater than 0" in wrong_put.stderr
    assert plane.ok(*work, "get", "leases,configmaps", "-o", "name") == ""
