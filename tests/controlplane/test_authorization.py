"""Roles, bindings and the Node authorizer, as kubectl and a kubelet meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .plane import NODE, Plane, mirror, pod, until
from .test_authentication import bearer, token

RBAC = "/apis/rbac.authorization.k8s.io/v1"
READER = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


def bind(plane: Plane, namespace: str, role: str, subject: dict[str, str], *, user: str = "admin") -> Any:
    """Give somebody a Role of the namespace; the answer."""
    body = {
        "metadata": {"name": f"{role}-binding"},
        "roleRef": {"kind": "Role", "name": role, "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [subject],
    }
    return plane.request("POST", f"{RBAC}/namespaces/{namespace}/rolebindings", body, user=user)


def make_role(plane: Plane, namespace: str, name: str, *rules: dict[str, Any], user: str = "admin") -> Any:
    """A Role; the answer."""
    body = {"metadata": {"name": name}, "rules": list(rules)}
    return plane.request("POST", f"{RBAC}/namespaces/{namespace}/roles", body, user=user)


@pytest.fixture
def reader(plane: Plane, namespace: str) -> Iterator[str]:
    """A namespace whose pods the user `nobody` may read."""
    assert make_role(plane, namespace, "reader", READER)[0] == 201
    assert bind(plane, namespace, "reader", {"kind": "User", "name": "nobody"})[0] == 201
    yield namespace


def test_a_role_counts_from_the_moment_it_is_bound_until_it_is_not(plane: Plane, reader: str) -> None:
    pods = f"/api/v1/namespaces/{reader}/pods"

    assert plane.request("GET", pods, user="nobody")[0] == 200
    assert plane.request("GET", "/api/v1/namespaces/default/pods", user="nobody")[0] == 403
    assert plane.request("DELETE", f"{RBAC}/namespaces/{reader}/rolebindings/reader-binding")[0] == 200
    assert plane.request("GET", pods, user="nobody")[0] == 403


def test_the_refusal_is_rbacs(plane: Plane, reader: str) -> None:
    result = plane.kubectl("-n", reader, "delete", "pod", "web", user="nobody")

    assert (result.returncode, result.stderr) == (
        1,
        'Error from server (Forbidden): pods "web" is forbidden: User "nobody" cannot delete resource "pods" '
        f'in API group "" in the namespace "{reader}"\n',
    )


def test_a_binding_to_a_role_that_is_not_there_is_told_of(plane: Plane, namespace: str) -> None:
    bind(plane, namespace, "gone", {"kind": "User", "name": "nobody"})

    answer = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods", user="nobody")[1]

    assert answer["message"].endswith(': RBAC: role.rbac.authorization.k8s.io "gone" not found')


def test_can_i_says_yes_no_and_why(plane: Plane, reader: str) -> None:
    def ask(*what: str) -> tuple[int, str]:
        result = plane.kubectl("-n", reader, "auth", "can-i", *what, user="nobody")
        return result.returncode, result.stdout

    assert ask("list", "pods") == (0, "yes\n")
    assert ask("delete", "pods") == (1, "no\n")
    assert ask("get", "/version") == (0, "yes\n")
    listed = ask("--list")[1].splitlines()
    assert ["pods", "[]", "[]", "[get", "list]"] in [line.split() for line in listed]


def test_whoami_tells_name_and_groups(plane: Plane) -> None:
    lines = plane.ok("auth", "whoami", user="nobody").splitlines()

    assert lines[0].split() == ["ATTRIBUTE", "VALUE"]
    assert lines[1].split() == ["Username", "nobody"]
    assert lines[2].split(maxsplit=1) == ["Groups", "[guests system:authenticated]"]
    assert lines[3].startswith("Extra: authentication.kubernetes.io/credential-id")


def test_nobody_hands_out_what_he_does_not_have(plane: Plane, namespace: str) -> None:
    manage = {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "rolebindings"],
        "verbs": ["create"],
    }
    make_role(plane, namespace, "manager", manage)
    bind(plane, namespace, "manager", {"kind": "User", "name": "nobody"})
    make_role(plane, namespace, "secrets", {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
    excess = (
        'user "nobody" (groups=["guests" "system:authenticated"]) is attempting to grant RBAC permissions '
        'not currently held:\n{APIGroups:[""], Resources:["%s"], Verbs:[%s]}'
    )

    role = make_role(plane, namespace, "reader", READER, user="nobody")
    binding = bind(plane, namespace, "secrets", {"kind": "User", "name": "nobody"}, user="nobody")

    assert role[0] == binding[0] == 403
    assert role[1]["message"] == (
        'roles.rbac.authorization.k8s.io "reader" is forbidden: ' + excess % ("pods", '"get" "list"')
    )
    assert binding[1]["message"] == (
        'rolebindings.rbac.authorization.k8s.io "secrets-binding" is forbidden: '
        + excess % ("secrets", '"get"')
    )
    assert make_role(plane, namespace, "creator", manage, user="nobody")[0] == 201


def test_roles_are_gathered_by_label(plane: Plane, namespace: str) -> None:
    name, view = f"more-{namespace}", f"{RBAC}/clusterroles/view"
    rule = {"apiGroups": ["example.com"], "resources": [name], "verbs": ["get"]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    plane.request(
        "POST", f"{RBAC}/clusterroles", {"metadata": {"name": name, "labels": labels}, "rules": [rule]}
    )
    try:
        until(lambda: rule in plane.request("GET", view)[1]["rules"])
    finally:
        plane.request("DELETE", f"{RBAC}/clusterroles/{name}")
    until(lambda: rule not in plane.request("GET", view)[1]["rules"])


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        (
            "roles",
            {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": []}]},
            "rules[0].verbs: Required value: verbs must contain at least one value",
        ),
        (
            "roles",
            {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]},
            'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource '
            "URLs",
        ),
        (
            "rolebindings",
            {"roleRef": {"kind": "Nonsense", "name": "x"}},
            'roleRef.kind: Unsupported value: "Nonsense": supported values: "Role", "ClusterRole"',
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    plane: Plane, namespace: str, kind: str, body: dict[str, Any], error: str
) -> None:
    path = f"{RBAC}/namespaces/{namespace}/{kind}"

    status, answer = plane.request("POST", path, {"metadata": {"name": "x"}, **body})

    assert (status, answer["message"].partition(" is invalid: ")[2]) == (422, error)


def test_a_binding_keeps_its_role(plane: Plane, reader: str) -> None:
    path = f"{RBAC}/namespaces/{reader}/rolebindings/reader-binding"
    merge = {"Content-Type": "application/merge-patch+json"}

    answer = plane.request("PATCH", path, {"roleRef": {"name": "other"}}, headers=merge)[1]

    assert answer["message"].endswith(": cannot change roleRef")


def test_administrators_act_as_others(plane: Plane, reader: str) -> None:
    assert plane.ok("-n", reader, "get", "pods", "--as=nobody", "-o", "name") == ""
    account = f"system:serviceaccount:{reader}:default"
    asked = plane.ok("auth", "whoami", f"--as={account}", "-o", "json")
    assert json.loads(asked)["status"]["userInfo"] == {
        "username": account,
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{reader}", "system:authenticated"],
    }
    asked = plane.ok("auth", "whoami", "--as=jane", "--as-group=a", "--as-group=b", "-o", "json")
    assert json.loads(asked)["status"]["userInfo"]["groups"] == ["a", "b", "system:authenticated"]


def test_others_do_not(plane: Plane) -> None:
    status, answer = plane.request(
        "GET", "/api/v1/pods", user="nobody", headers={"Impersonate-User": "kubernetes-admin"}
    )

    assert (status, answer["message"]) == (
        403,
        'pods is forbidden: User "nobody" cannot impersonate-on:user-info:list resource "pods" in API group '
        '"" at the cluster scope',
    )


def test_a_node_reads_the_secrets_of_its_pods_and_no_others(
    plane: Plane, namespace: str, node_uid: str
) -> None:
    secret = f"/api/v1/namespaces/{namespace}/secrets/s"
    plane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "s"}})
    wish = pod("user", namespace, nodeName=NODE)
    wish["spec"]["volumes"] = [{"name": "s", "secret": {"secretName": "s"}}]
    path = f"/api/v1/namespaces/{namespace}/pods"
    refusal = (
        'secrets "s" is forbidden: User "system:node:%s" cannot get resource "secrets" in API group "" in '
        f"the namespace \"{namespace}\": no relationship found between node '%s' and this object"
    )

    assert plane.request("GET", secret, user="node")[1]["message"] == refusal % (NODE, NODE)
    assert plane.request("POST", path, wish)[0] == 201
    assert plane.request("GET", secret, user="node")[0] == 200
    assert plane.request("GET", secret, user="other-node")[1]["message"] == refusal % ("worker", "worker")
    assert plane.request("DELETE", f"{path}/user?gracePeriodSeconds=0")[0] == 200
    assert plane.request("GET", secret, user="node")[0] == 403
    assert node_uid


def test_fact_57_a_mirror_gives_its_node_no_right(plane: Plane, namespace: str, node_uid: str) -> None:
    plane.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "c"}})
    wish = mirror("web", node_uid, namespace)
    wish["spec"]["volumes"] = [{"name": "c", "configMap": {"name": "c"}}]

    status = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", wish)[0]

    assert status == 201
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/c", user="node")[0] == 403
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/pods/web-{NODE}", user="node")[0] == 200


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}},
            f'node "{NODE}" is not allowed to modify taints',
        ),
        (
            {"metadata": {"labels": {"node-restriction.kubernetes.io/x": "y", "own": "z"}}},
            "is not allowed to modify labels: node-restriction.kubernetes.io/x",
        ),
        (
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}]}},
            f'node "{NODE}" is not allowed to modify ownerReferences',
        ),
    ],
)
def test_fact_56_a_node_does_not_change_what_others_go_by(
    plane: Plane, node_uid: str, change: dict[str, Any], why: str
) -> None:
    merge = {"Content-Type": "application/merge-patch+json"}

    status, answer = plane.request("PATCH", f"/api/v1/nodes/{NODE}", change, user="node", headers=merge)

    assert (status, answer["message"]) == (403, f'nodes "{NODE}" is forbidden: {why}')
    assert node_uid


def test_a_node_gets_tokens_only_for_its_pods(plane: Plane, namespace: str, node_uid: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    here = plane.request("POST", f"{path}/pods", pod("here", namespace, nodeName=NODE))[1]
    there = plane.request("POST", f"{path}/pods", pod("there", namespace, nodeName="worker"))[1]

    def ask(found: dict[str, Any]) -> tuple[int, Any]:
        reference = {"apiVersion": "v1", "kind": "Pod", **{k: found["metadata"][k] for k in ("name", "uid")}}
        body = {"spec": {"boundObjectRef": reference}}
        return plane.request("POST", f"{path}/serviceaccounts/default/token", body, user="node")

    assert ask(here)[0] == 201
    status, answer = ask(there)
    assert (status, answer["message"]) == (
        403,
        'serviceaccounts "default" is forbidden: node requested token bound to a pod scheduled on a '
        "different node",
    )
    assert node_uid


def test_a_service_account_has_the_rights_it_was_given(plane: Plane, namespace: str) -> None:
    text = token(plane, namespace)
    make_role(plane, namespace, "reader", READER)

    before = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods", user=None, headers=bearer(text))[0]
    bind(plane, namespace, "reader", {"kind": "ServiceAccount", "name": "default", "namespace": namespace})
    after = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods", user=None, headers=bearer(text))[0]

    assert (before, after) == (403, 200)


def test_an_object_without_what_the_node_authorizer_looks_for_stops_nobody(
    plane: Plane, namespace: str
) -> None:
    attachments = "/apis/storage.k8s.io/v1/volumeattachments"
    assert plane.request("POST", attachments, {"metadata": {"name": namespace}})[0] == 201

    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
    plane.request("POST", roles, {"metadata": {"name": "after"}, "rules": []})

    assert plane.request("GET", f"{roles}/after")[0] == 200
    plane.request("DELETE", f"{attachments}/{namespace}")
