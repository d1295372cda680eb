"""Who is let in, who is told `Unauthorized`, and what the log says of it."""

from __future__ import annotations

import json
import re
import ssl
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from labs.controlplane.apiserver.authentication import _jwt

from .plane import Plane, pod, until

ISSUER = "https://kubernetes.default.svc.cluster.local"
PODS = "/api/v1/pods"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def token(plane: Plane, namespace: str, *, account: str = "default", **spec: Any) -> str:
    """A service account's token."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    status, answer = plane.request("POST", path, {"spec": spec})
    assert status == 201, answer
    return str(answer["status"]["token"])


def bearer(text: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {text}"}


def claims(text: str) -> dict[str, Any]:
    """What a token says."""
    part = text.split(".")[1]
    said = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert isinstance(said, dict)
    return said


def resigned(plane: Plane, text: str, **changes: Any) -> str:
    """The same token with other claims, signed with the cluster's own key."""
    key = load_pem_private_key((plane.pki / "sa.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return _jwt.sign(claims(text) | changes, key)


@pytest.mark.parametrize("user", ["foreign/admin", "expired", "early", "kubelet-server"])
def test_kubectl_with_a_certificate_that_is_no_good_is_told_to_log_in(plane: Plane, user: str) -> None:
    result = plane.kubectl("get", "pods", user=user)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("error: You must be logged in to the server (")


STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
EXPIRED = (
    rf"x509: certificate has expired or is not yet valid: current time {STAMP} is (after|before) {STAMP}"
)
IDENTIFIERS = r"verifying certificate SN=\d+, SKID=, AKID=[0-9A-F:]+ failed"
UNKNOWN = "x509: certificate signed by unknown authority"


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ("expired", rf"{EXPIRED}, {IDENTIFIERS}: {EXPIRED}"),
        ("early", rf"{EXPIRED}, {IDENTIFIERS}: {EXPIRED}"),
        (
            "foreign/admin",
            rf"{UNKNOWN}, {IDENTIFIERS}: {UNKNOWN} "
            r"\(possibly because of \\\"x509: ECDSA verification failure\\\" while trying to verify "
            r"candidate authority certificate \\\"kubernetes\\\"\)",
        ),
        (
            "kubelet-server",
            rf"{UNKNOWN}, {IDENTIFIERS}: x509: certificate specifies an incompatible key usage",
        ),
    ],
)
def test_the_log_says_what_is_wrong_with_a_certificate(plane: Plane, user: str, why: str) -> None:
    before = len(plane.log.read_text())

    status, answer = plane.request("GET", PODS, user=user)

    assert (status, answer["reason"], answer["message"]) == (401, "Unauthorized", "Unauthorized")
    line = rf'authentication\.go:75\] "Unable to authenticate the request" err="\[{why}\]"'
    assert re.search(line, plane.log.read_text()[before:])


def test_a_certificate_cannot_be_shown_without_its_key(plane: Plane) -> None:
    context = ssl.create_default_context(cafile=str(plane.pki / "ca.crt"))

    # OpenSSL itself refuses the pair: there is no way to show a certificate without having its key
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        context.load_cert_chain(plane.pki / "super-admin.crt", plane.pki / "nobody.key")


def test_a_service_account_is_who_its_token_says(plane: Plane, namespace: str) -> None:
    text = token(plane, namespace)
    uid = plane.ok("-n", namespace, "get", "serviceaccount", "default", "-o", "jsonpath={.metadata.uid}")

    status, answer = plane.request("POST", REVIEWS, {"spec": {"token": text}})

    assert status == 201
    assert answer["status"] == {
        "authenticated": True,
        "user": {
            "username": f"system:serviceaccount:{namespace}:default",
            "uid": uid,
            "groups": [
                "system:serviceaccounts",
                f"system:serviceaccounts:{namespace}",
                "system:authenticated",
            ],
            "extra": {"authentication.kubernetes.io/credential-id": [f"JTI={claims(text)['jti']}"]},
        },
        "audiences": [ISSUER],
    }
    assert plane.request("GET", PODS, user=None, headers=bearer(text))[1]["message"] == (
        f'pods is forbidden: User "system:serviceaccount:{namespace}:default" cannot list resource "pods" in '
        'API group "" at the cluster scope'
    )


def test_a_token_says_what_the_real_one_says(plane: Plane, namespace: str) -> None:
    said = claims(token(plane, namespace, expirationSeconds=1200))

    assert said["exp"] - said["iat"] == 1200
    assert (said["iss"], said["aud"], said["nbf"]) == (ISSUER, [ISSUER], said["iat"])
    assert said["sub"] == f"system:serviceaccount:{namespace}:default"
    assert set(said["kubernetes.io"]) == {"namespace", "serviceaccount"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": 1}, "service account token has expired"),
        ({"nbf": time.time() + 10_000}, "service account token is not valid yet"),
        (
            {"aud": ["x"]},
            f'token audiences ["x"] is invalid for the target audiences ["{ISSUER}"]',
        ),
    ],
)
def test_a_token_that_is_no_good_is_refused(
    plane: Plane, namespace: str, changes: dict[str, Any], why: str
) -> None:
    text = resigned(plane, token(plane, namespace), **changes)
    before = len(plane.log.read_text())

    status, answer = plane.request("GET", PODS, user=None, headers=bearer(text))

    assert (status, answer["message"]) == (401, "Unauthorized")
    escaped = why.replace('"', '\\"')
    assert f'err="[invalid bearer token, {escaped}]"' in plane.log.read_text()[before:]
    review = plane.request("POST", REVIEWS, {"spec": {"token": text}})[1]
    assert review["status"] == {"user": {}, "error": f"[invalid bearer token, {why}]"}


def test_a_token_signed_by_somebody_else_is_refused(plane: Plane, namespace: str) -> None:
    text = token(plane, namespace)
    header, body, _ = text.split(".")
    other = _jwt.sign(claims(text), ec.generate_private_key(ec.SECP256R1()))

    for forged in (other, f"{header}.{body}.{other.split('.')[2]}", f"{header}.{body}.", "nonsense", "a.b.c"):
        assert plane.request("GET", PODS, user=None, headers=bearer(forged))[0] == 401, forged


def test_a_token_goes_with_its_service_account(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "create", "serviceaccount", "robot")
    text = token(plane, namespace, account="robot")

    plane.ok("-n", namespace, "delete", "serviceaccount", "robot")
    plane.ok("-n", namespace, "create", "serviceaccount", "robot")

    assert plane.request("GET", PODS, user=None, headers=bearer(text))[0] == 401


def test_a_token_goes_with_the_pod_it_is_bound_to(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert plane.request("POST", path, pod("web", namespace))[0] == 201
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "web"}
    text, unused = (token(plane, namespace, boundObjectRef=bound) for _ in range(2))
    extra = plane.request("POST", REVIEWS, {"spec": {"token": text}})[1]["status"]["user"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["web"]

    assert plane.request("DELETE", f"{path}/web?gracePeriodSeconds=0")[0] == 200

    assert plane.request("GET", PODS, user=None, headers=bearer(unused))[0] == 401
    # one that was just seen to be good is not looked at again for ten seconds, as in the real server
    until(lambda: plane.request("GET", PODS, user=None, headers=bearer(text))[0] == 401)


def test_pods_get_the_token_of_their_service_account(plane: Plane, namespace: str) -> None:
    created = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("web", namespace))[1]["spec"]

    volume = created["volumes"][0]
    assert re.fullmatch("kube-api-access-[a-z0-9]{5}", volume["name"])
    assert created["serviceAccountName"] == created["serviceAccount"] == "default"
    assert created["containers"][0]["volumeMounts"] == [
        {
            "name": volume["name"],
            "readOnly": True,
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        }
    ]
    assert volume["projected"] == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
    }


def test_a_pod_without_automount_has_no_token(plane: Plane, namespace: str) -> None:
    wish = pod("web", namespace)
    wish["spec"]["automountServiceAccountToken"] = False

    created = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", wish)[1]["spec"]

    assert (created.get("volumes"), created["serviceAccountName"]) == (None, "default")


def test_a_pod_of_an_unknown_service_account_is_refused(plane: Plane, namespace: str) -> None:
    wish = pod("web", namespace)
    wish["spec"]["serviceAccountName"] = "missing"

    status, answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", wish)

    assert (status, answer["message"]) == (
        403,
        f'pods "web" is forbidden: error looking up service account {namespace}/missing: serviceaccount '
        '"missing" not found',
    )


@pytest.mark.parametrize(
    ("anonymous", "served"),
    [
        (
            "{enabled: true, conditions: [{path: /readyz}]}",
            {"/readyz": 200, "/readyz/ping": 401, "/livez": 401},
        ),
        ("{enabled: false}", {"/readyz": 401, "/livez": 401}),
        ("{enabled: true}", {"/readyz": 200, "/version": 200, "/livez": 200, "/api": 403}),
    ],
)
def test_who_shows_nothing_may_ask_for_what_the_file_names(
    own_plane: Plane, tmp_path: Path, anonymous: str, served: dict[str, int]
) -> None:
    file = tmp_path / "authentication.yaml"
    head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"
    file.write_text(f"{head}anonymous: {anonymous}\n")
    own_plane.kill()
    own_plane.api = own_plane.spawn(own_plane.flags(authentication_config=str(file)))
    until(lambda: _status(own_plane, "/readyz", "admin") == 200)

    assert {path: _status(own_plane, path, None) for path in served} == served


def _status(plane: Plane, path: str, user: str | None) -> int:
    try:
        return plane.request("GET", path, user=user)[0]
    except OSError:  # it is not there yet
        return 0
