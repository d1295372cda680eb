"""Who may do what, and what they are told otherwise."""

from __future__ import annotations

import pytest

from .plane import NODE, Plane


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/version"])
def test_anybody_may_ask_for_health_and_version(plane: Plane, path: str) -> None:
    assert plane.request("GET", path, user=None)[0] == 200


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "/api/v1/pods",
            'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at '
            "the cluster scope",
        ),
        (
            "/api/v1/namespaces/default/pods/web",
            'pods "web" is forbidden: User "system:anonymous" cannot get resource "pods" in API group "" '
            "in the "
            'namespace "default"',
        ),
        (
            "/apis/coordination.k8s.io/v1/leases",
            'leases.coordination.k8s.io is forbidden: User "system:anonymous" cannot list resource '
            '"leases" in API '
            'group "coordination.k8s.io" at the cluster scope',
        ),
        ("/metrics", 'forbidden: User "system:anonymous" cannot get path "/metrics"'),
        ("/api", 'forbidden: User "system:anonymous" cannot get path "/api"'),
    ],
)
def test_anonymous_reads_nothing_else(plane: Plane, path: str, message: str) -> None:
    status, answer = plane.request("GET", path, user=None)

    assert (status, answer["reason"], answer["message"]) == (403, "Forbidden", message)


@pytest.mark.parametrize("user", ["admin", "super-admin", "judge"])
def test_administrators_do_everything(plane: Plane, user: str) -> None:
    assert plane.request("GET", "/api/v1/secrets", user=user)[0] == 200
    assert plane.request("GET", "/metrics", user=user)[0] == 200


def test_a_user_without_roles_may_discover_and_nothing_more(plane: Plane) -> None:
    assert plane.request("GET", "/apis", user="nobody")[0] == 200
    assert plane.request("GET", "/api/v1/pods", user="nobody")[0] == 403


def test_a_token_nobody_issued_is_unauthorized(plane: Plane) -> None:
    status, answer = plane.request(
        "GET", "/api/v1/pods", user=None, headers={"Authorization": "Bearer nonsense"}
    )

    assert (status, answer["message"], answer["reason"]) == (401, "Unauthorized", "Unauthorized")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/v1/pods", False),
        ("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NODE}", True),
        ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dworker", False),
        ("GET", "/api/v1/nodes", False),
        ("GET", f"/api/v1/nodes?fieldSelector=metadata.name%3D{NODE}", True),
        ("GET", f"/api/v1/nodes/{NODE}", True),
        ("GET", "/api/v1/nodes/worker", False),
        ("GET", "/api/v1/secrets", False),
        ("POST", "/api/v1/namespaces", False),
        ("PUT", "/api/v1/namespaces/default/pods/web", False),
        ("DELETE", f"/api/v1/nodes/{NODE}", False),
        ("GET", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE}", True),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/worker", False),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/x", False),
    ],
)
@pytest.mark.usefixtures("node_uid")
def test_a_node_may_do_what_a_kubelet_needs(plane: Plane, method: str, path: str, *, allowed: bool) -> None:
    status = plane.request(method, path, {} if method in ("POST", "PUT") else None, user="node")[0]

    assert (status != 403) is allowed


def test_a_node_does_not_touch_another(plane: Plane, node_uid: str) -> None:
    status, answer = plane.request(
        "PATCH",
        f"/api/v1/nodes/{NODE}/status",
        {"status": {}},
        user="other-node",
        headers={"Content-Type": "application/merge-patch+json"},
    )

    assert node_uid
    assert status == 403
    assert answer["message"] == (
        f'nodes "{NODE}" is forbidden: node "worker" is not allowed to modify node "{NODE}"'
    )


def _allowed(plane: Plane, user: str, spec: dict[str, object], kind: str = "subjectaccessreviews") -> bool:
    code, answer = plane.request("POST", f"/apis/authorization.k8s.io/v1/{kind}", {"spec": spec}, user=user)
    assert code == 201
    return bool(answer["status"]["allowed"])


def test_a_kubelet_asks_what_others_may_do(plane: Plane) -> None:
    proxy = {"verb": "get", "version": "v1", "resource": "nodes", "subresource": "proxy", "name": NODE}

    assert _allowed(
        plane, "node", {"user": "a", "groups": ["kubeadm:cluster-admins"], "resourceAttributes": proxy}
    )
    assert not _allowed(plane, "node", {"user": "mallory", "groups": ["dev"], "resourceAttributes": proxy})


def test_everybody_may_ask_what_they_may_do(plane: Plane) -> None:
    deleting = {"resourceAttributes": {"verb": "delete", "version": "v1", "resource": "nodes"}}

    assert _allowed(plane, "admin", deleting, "selfsubjectaccessreviews")
    assert not _allowed(plane, "node", deleting, "selfsubjectaccessreviews")


def test_no_token_is_known(plane: Plane) -> None:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"

    code, answer = plane.request("POST", path, {"spec": {"token": "x"}}, user="node")

    assert (code, answer["status"]) == (201, {"user": {}, "error": "invalid bearer token"})
