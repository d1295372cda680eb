"""Who may do what to what: every identity tries every verb on every resource.

Nobody without a certificate, a token or a role reads or changes anything.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from labs.controlplane.apiserver.authentication import _jwt

from .plane import Plane
from .test_authentication import bearer, claims, resigned, token

NAMESPACE = "table"
CORE, LEASES, RBAC = "/api/v1", "/apis/coordination.k8s.io/v1", "/apis/rbac.authorization.k8s.io/v1"
IN_NAMESPACE = f"namespaces/{NAMESPACE}/"
RESOURCES = {
    "pods": f"{CORE}/{IN_NAMESPACE}pods",
    "secrets": f"{CORE}/{IN_NAMESPACE}secrets",
    "configmaps": f"{CORE}/{IN_NAMESPACE}configmaps",
    "serviceaccounts": f"{CORE}/{IN_NAMESPACE}serviceaccounts",
    "services": f"{CORE}/{IN_NAMESPACE}services",
    "leases": f"{LEASES}/{IN_NAMESPACE}leases",
    "roles": f"{RBAC}/{IN_NAMESPACE}roles",
    "nodes": f"{CORE}/nodes",
    "namespaces": f"{CORE}/namespaces",
    "clusterrolebindings": f"{RBAC}/clusterrolebindings",
}
#: Method, whether of one object, query.
VERBS = {
    "get": ("GET", True, ""),
    "list": ("GET", False, ""),
    "watch": ("GET", False, "watch=1"),
    "create": ("POST", False, "dryRun=All"),
    "update": ("PUT", True, "dryRun=All"),
    "patch": ("PATCH", True, "dryRun=All"),
    "delete": ("DELETE", True, "dryRun=All"),
    "deletecollection": ("DELETE", False, "dryRun=All"),
}
READ = "get list watch"
EVERYTHING = dict.fromkeys(RESOURCES, " ".join(VERBS))


@dataclass(frozen=True)
class Identity:
    """How somebody comes to the door, what is permitted, and with which status the rest is refused."""

    certificate: str | None = None
    headers: Callable[[Plane], dict[str, str]] = lambda _: {}
    refusal: int = 403
    permitted: dict[str, str] = field(default_factory=dict)


def _token(plane: Plane, account: str) -> str:
    return token(plane, NAMESPACE, account=account)


def _foreign_token(plane: Plane) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    return bearer(_jwt.sign(claims(_token(plane, "viewer")), key))


IDENTITIES = {
    "anonymous": Identity(),
    "an expired certificate": Identity("expired", refusal=401),
    "a certificate that is not valid yet": Identity("early", refusal=401),
    "a certificate of a foreign authority": Identity("foreign/admin", refusal=401),
    "a certificate for servers": Identity("kubelet-server", refusal=401),
    "a token of nobody's": Identity(headers=lambda _: bearer("nonsense"), refusal=401),
    "an expired token": Identity(
        headers=lambda plane: bearer(resigned(plane, _token(plane, "viewer"), exp=1)), refusal=401
    ),
    "a token for others": Identity(
        headers=lambda plane: bearer(resigned(plane, _token(plane, "viewer"), aud=["vault"])), refusal=401
    ),
    "a token of a foreign signer": Identity(headers=_foreign_token, refusal=401),
    "a user without roles": Identity("nobody"),
    "a service account without roles": Identity(headers=lambda plane: bearer(_token(plane, "plain"))),
    "an impersonator without the right": Identity(
        "nobody", headers=lambda _: {"Impersonate-User": "root", "Impersonate-Group": "system:masters"}
    ),
    "an administrator as a user without roles": Identity(
        "super-admin", headers=lambda _: {"Impersonate-User": "nobody"}
    ),
    "a service account that may view": Identity(
        headers=lambda plane: bearer(_token(plane, "viewer")),
        permitted=dict.fromkeys(("pods", "configmaps", "serviceaccounts", "services"), READ),
    ),
    "a node": Identity(
        "other-node",
        permitted={"pods": "create delete", "services": READ, "nodes": "create update patch"},
    ),
    "the scheduler": Identity(
        "scheduler",
        permitted={
            "pods": f"{READ} delete",
            "services": READ,
            "nodes": READ,
            "namespaces": READ,
            "leases": "create",
        },
    ),
    "an administrator": Identity("admin", permitted=EVERYTHING),
    "a member of system:masters": Identity("super-admin", permitted=EVERYTHING),
}


@pytest.fixture(scope="module")
def furnished(plane: Plane) -> Iterator[Plane]:
    """The control plane with a namespace, its service accounts, and a binding for one of them."""
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for account in ("plain", "viewer"):
        plane.request("POST", RESOURCES["serviceaccounts"], {"metadata": {"name": account}})
    binding = {
        "metadata": {"name": "viewers"},
        "roleRef": {"kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "ServiceAccount", "name": "viewer", "namespace": NAMESPACE}],
    }
    status, answer = plane.request("POST", f"{RBAC}/{IN_NAMESPACE}rolebindings", binding)
    assert status == 201, answer
    yield plane
    plane.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


class Door:
    """One identity's connection, made again after a watch."""

    def __init__(self, plane: Plane, identity: Identity) -> None:
        self._plane, self._identity = plane, identity
        self._headers = identity.headers(plane)
        self._connection: http.client.HTTPSConnection | None = None

    def try_(self, resource: str, verb: str, *, dry_run: bool = True) -> tuple[int, str]:
        """The status, and the message where it is no success."""
        method, single, query = VERBS[verb]
        if not dry_run:
            query = query.replace("dryRun=All", "")
        path = f"{RESOURCES[resource]}/thing" if single else RESOURCES[resource]
        kind = "application/merge-patch+json" if verb == "patch" else "application/json"
        body = None if method in ("GET", "DELETE") else "{}"
        if self._connection is None:
            self._connection = self._plane.connection(self._identity.certificate)
        connection = self._connection
        connection.request(method, f"{path}?{query}", body, {"Content-Type": kind, **self._headers})
        answer = connection.getresponse()
        if verb == "watch" and answer.status == 200:
            self.close()
            return 200, ""
        said: Any = json.loads(answer.read())
        return answer.status, str(said.get("message", "")) if answer.status >= 400 else ""

    def close(self) -> None:
        """Let go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@pytest.mark.parametrize("who", IDENTITIES)
def test_an_identity_may_do_what_it_was_given_and_nothing_else(furnished: Plane, who: str) -> None:
    identity = IDENTITIES[who]
    door = Door(furnished, identity)
    wrong = []
    for resource in RESOURCES:
        for verb in VERBS:
            status, message = door.try_(resource, verb)
            # what admission and validation refuse later has passed the authorizer
            refused = status == 401 or (status == 403 and "cannot " in message and "User " in message)
            expected = verb not in identity.permitted.get(resource, "").split()
            if refused is not expected or (refused and status != identity.refusal):
                wrong.append((verb, resource, status, message))
    door.close()

    assert wrong == []


def test_who_is_refused_has_changed_nothing(furnished: Plane) -> None:
    def store() -> str:
        listed = furnished.etcdctl("get", "/registry/", "--prefix", "--keys-only")
        return "\n".join(key for key in listed.split() if "/events/" not in key)

    strangers = {who: identity for who, identity in IDENTITIES.items() if not identity.permitted}
    doors = [Door(furnished, identity) for identity in strangers.values()]
    before = store()
    for door in doors:
        for resource in RESOURCES:
            for verb in ("create", "update", "patch", "delete", "deletecollection"):
                assert door.try_(resource, verb, dry_run=False)[0] in (401, 403)
        door.close()

    assert store() == before
    assert len(strangers) >= 12
