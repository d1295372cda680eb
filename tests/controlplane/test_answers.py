"""What answers look like to clients that are not kubectl; recorded from kube-apiserver 1.36.2."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from .plane import Plane

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
OBJECTS = f"{JSON}, {YAML}, {PROTOBUF}"
STREAMS = f"{JSON};stream=watch, {PROTOBUF};stream=watch"
DEFAULT = "/api/v1/namespaces/default"


def answered(plane: Plane, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """The status, the headers in lower case, and the body as text."""
    connection = plane.connection()
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return response.status, told, response.read().decode()
    finally:
        connection.close()


def _read(plane: Plane, path: str, program: str) -> str:
    return answered(plane, "GET", path, user_agent=program)[2]


@pytest.mark.parametrize("program", ["curl/7.88.1", "Wget/1.21.3", "Mozilla/5.0 (X11; Linux x86_64)"])
def test_programs_that_people_sit_at_are_answered_in_lines(plane: Plane, program: str) -> None:
    missing = _read(plane, "/api/v1/namespaces/no", program)

    assert missing == (
        '{\n  "kind": "Status",\n  "apiVersion": "v1",\n  "metadata": {},\n  "status": "Failure",\n'
        '  "message": "namespaces \\"no\\" not found",\n  "reason": "NotFound",\n'
        '  "details": {\n    "name": "no",\n    "kind": "namespaces"\n  },\n  "code": 404\n}'
    )
    assert _read(plane, "/apis/apps", program).startswith('{\n  "kind": "APIGroup",\n')


def test_others_are_answered_in_one_line_unless_they_ask(plane: Plane) -> None:
    path = "/api/v1/namespaces/default"

    plain, asked, refused = (
        _read(plane, path, "kubectl/v1.36.2"),
        _read(plane, f"{path}?pretty=true", "kubectl/v1.36.2"),
        _read(plane, f"{path}?pretty=false", "curl/7.88.1"),
    )

    assert plain == refused
    assert plain.count("\n") == 1
    assert plain.endswith("}\n")
    assert asked == json.dumps(json.loads(plain), indent=2)


def test_the_version_is_always_told_in_lines_and_the_schema_never(plane: Plane) -> None:
    assert _read(plane, "/version", "kubectl/v1.36.2").startswith('{\n  "major": "1",\n  "minor": "36",\n')
    assert _read(plane, "/openapi/v2", "curl/7.88.1").startswith('{"swagger":')


def test_what_html_would_misread_is_escaped_for_people(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "create", "configmap", "app", "--from-literal=a=<b>&")

    shown = _read(plane, f"/api/v1/namespaces/{namespace}/configmaps/app", "curl/7.88.1")

    assert '"a": "\\u003cb\\u003e\\u0026"' in shown


def test_whoever_wants_yaml_gets_it(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    data = {"flag": "yes", "number": "1", "lines": "a\nb\n", "text": "a b"}
    plane.request("POST", path, {"metadata": {"name": "app"}, "data": data})

    code, headers, text = answered(plane, "GET", f"{path}/app", accept=YAML)

    assert (code, headers["content-type"]) == (200, YAML)
    assert text.startswith(
        'apiVersion: v1\ndata:\n  flag: "yes"\n  lines: |\n    a\n    b\n  number: "1"\n  text: a b\n'
    )
    assert yaml.safe_load(text)["data"] == data
    assert answered(plane, "GET", f"{path}/no", accept=YAML)[2].startswith("apiVersion: v1\ncode: 404\n")
    assert answered(plane, "GET", f"{path}/app", accept=f"{JSON},{YAML}")[1]["content-type"] == JSON


@pytest.mark.parametrize(
    ("method", "path", "accept", "offered"),
    [
        ("GET", f"{DEFAULT}/configmaps/app", "text/html", OBJECTS),
        ("GET", f"{DEFAULT}/configmaps/app", "application/*", OBJECTS),
        ("GET", f"{DEFAULT}/configmaps", "text/html", f"{OBJECTS}, {STREAMS}"),
        ("DELETE", f"{DEFAULT}/configmaps/app", "text/html", OBJECTS),
        ("GET", "/apis/apps/v1", "text/html", OBJECTS),
        ("GET", "/version", "application/xml", JSON),
    ],
)
def test_what_a_client_cannot_read_is_not_even_tried(
    plane: Plane, method: str, path: str, accept: str, offered: str
) -> None:
    code, _, text = answered(plane, method, path, accept=accept)

    refusal = json.loads(text)
    assert (code, refusal["reason"], refusal["details"]) == (406, "NotAcceptable", {})
    assert refusal["message"] == f"406: Not Acceptable\n\nAvailable representations: {offered}"


def test_a_watch_has_no_yaml(plane: Plane) -> None:
    code, headers, text = answered(plane, "GET", f"{DEFAULT}/configmaps?watch=1", accept=YAML)

    assert (code, headers["content-type"]) == (406, YAML)
    assert yaml.safe_load(text)["message"] == f"only the following media types are accepted: {STREAMS}"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("HEAD", f"{DEFAULT}/configmaps/kube-root-ca.crt", 405),
        ("HEAD", "/version", 405),
        ("HEAD", "/healthz", 200),
        ("POST", "/healthz", 200),
        ("POST", "/version", 405),
        ("PUT", f"{DEFAULT}/configmaps", 405),
        ("PATCH", f"{DEFAULT}/configmaps", 405),
    ],
)
def test_methods_are_those_of_the_path(plane: Plane, method: str, path: str, code: int) -> None:
    assert answered(plane, method, path)[0] == code


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/nope", "404 page not found\n"),
        ("//api/v1/pods", "404 page not found\n"),
        ("/apis/nope", "404 page not found\n"),
        ("/apis/nope/v1", "404 page not found\n"),
        ("/livez/nope", "404 page not found\n"),
        ("/api/v2", "the server could not find the requested resource"),
        ("/apis/apps/v9", "the server could not find the requested resource"),
        ("/api/v1/nope", "the server could not find the requested resource"),
    ],
)
def test_what_is_not_there_is_told_by_a_status_within_a_group(plane: Plane, path: str, text: str) -> None:
    code, headers, body = answered(plane, "GET", path)

    is_status = headers["content-type"] == JSON
    assert (code, json.loads(body)["message"] if is_status else body) == (404, text)
    assert headers.get("x-content-type-options") == (None if is_status else "nosniff")


def test_an_object_that_is_asked_for_by_name_is_not_watched(plane: Plane) -> None:
    code, _, text = answered(plane, "GET", f"{DEFAULT}?watch=1&timeoutSeconds=1")

    assert (code, json.loads(text)["kind"]) == (200, "Namespace")


def test_answers_are_not_kept_and_do_not_name_the_software(plane: Plane) -> None:
    for path in (DEFAULT, "/healthz", "/nope", "/version", "/metrics"):
        headers = answered(plane, "GET", path)[1]
        assert headers["cache-control"] == "no-cache, private"
        assert "server" not in headers


def test_a_version_that_is_still_to_come_is_worth_another_try(plane: Plane) -> None:
    code, headers, _ = answered(plane, "GET", f"{DEFAULT}/configmaps?resourceVersion=999999999")

    assert (code, headers["retry-after"]) == (504, "1")


def test_others_can_check_the_signatures_of_service_accounts(plane: Plane) -> None:
    code, headers, text = answered(plane, "GET", "/.well-known/openid-configuration")
    _, kind, keys = answered(plane, "GET", "/openid/v1/jwks")

    assert (code, headers["content-type"], headers["cache-control"]) == (200, JSON, "public, max-age=3600")
    assert json.loads(text) == {
        "issuer": "https://kubernetes.default.svc.cluster.local",
        "jwks_uri": f"https://127.0.0.1:{plane.port}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }
    assert kind["content-type"] == "application/jwk-set+json"
    (key,) = json.loads(keys)["keys"]
    numbers = _numbers((plane.pki / "sa.pub").read_bytes())
    assert list(key) == ["use", "kty", "kid", "crv", "alg", "x", "y"]
    assert (key["use"], key["kty"], key["alg"], key["crv"]) == ("sig", "EC", "ES256", "P-256")
    assert [_number(key[part]) for part in "xy"] == [numbers.x, numbers.y]


def test_keys_of_rsa_are_told_by_their_numbers(own_plane: Plane) -> None:
    made = rsa.generate_private_key(65537, 2048)
    form = (PrivateFormat.TraditionalOpenSSL, NoEncryption())
    own_plane.end()
    (own_plane.pki / "sa.key").write_bytes(made.private_bytes(Encoding.PEM, *form))
    public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (own_plane.pki / "sa.pub").write_bytes(public)
    own_plane.start()

    (key,) = json.loads(answered(own_plane, "GET", "/openid/v1/jwks")[2])["keys"]

    assert list(key) == ["use", "kty", "kid", "alg", "n", "e"]
    assert (key["kty"], key["alg"], key["e"]) == ("RSA", "RS256", "AQAB")
    assert _number(key["n"]) == made.public_key().public_numbers().n


def _numbers(pem: bytes) -> Any:
    key: Any = load_pem_public_key(pem)
    return key.public_numbers()


def _number(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def test_the_keys_are_for_who_has_the_role(plane: Plane) -> None:
    assert plane.request("GET", "/openid/v1/jwks", user=None)[0] == 403


def test_somebody_without_a_name_cannot_be_acted_as(plane: Plane) -> None:
    code, _, text = answered(plane, "GET", DEFAULT, Impersonate_Group="g", Impersonate_Extra_Scopes="a")

    shown = 'Name:"", UID:"", Groups:[]string{"g"}, Extra:map[string][]string{"scopes":[]string{"a"}}'
    told = json.loads(text)["message"]
    assert (code, told) == (
        400,
        f"requested &user.DefaultInfo{{{shown}}} without impersonating a user name",
    )
