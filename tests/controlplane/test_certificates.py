"""Requests for certificates, and Secrets that hold them; the words are those of kube-apiserver 1.36.2."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from .plane import Plane
from .test_pods_refused import send

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SECRETS = "/api/v1/namespaces/default/secrets"
PEM = serialization.Encoding.PEM
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def subject(name: str, *groups: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    return x509.Name([*attributes, *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, g) for g in groups)])


def signing_request(*groups: str, signer: str = "example.com/users") -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder(subject("jane", *groups)).sign(key, hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "jane"},
        "spec": {
            "request": b64encode(request.public_bytes(PEM)).decode(),
            "signerName": signer,
            "usages": ["client auth"],
        },
    }


def certificate(key: Key) -> bytes:
    name, now = subject("web"), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM)


def private(key: Key) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_the_server_says_who_asked_for_a_certificate_whatever_the_client_says(plane: Plane) -> None:
    request = signing_request()
    request["spec"] |= {"username": "somebody", "groups": ["system:masters"], "uid": "5"}

    code, answer = plane.request("POST", f"{REQUESTS}?dryRun=All", request, user="node")

    assert code == 201, answer
    assert answer["spec"]["username"].startswith("system:node:")
    assert answer["spec"]["groups"] == ["system:nodes", "system:authenticated"]
    assert "uid" not in answer["spec"]


def test_nobody_asks_for_a_certificate_of_the_group_that_may_do_everything(plane: Plane) -> None:
    request = signing_request("system:masters", signer="kubernetes.io/kube-apiserver-client")

    code, answer = plane.request("POST", REQUESTS, request)

    assert code == 403
    assert answer["message"] == (
        'certificatesigningrequests.certificates.k8s.io "jane" is forbidden: use of '
        "kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    )


def test_what_was_asked_for_stays_and_is_approved_by_kubectl(plane: Plane) -> None:
    asked = signing_request()
    plane.ok("create", "-f", "-", stdin=json.dumps(asked))
    try:
        plane.ok("patch", "csr", "jane", "--type=merge", "-p", '{"spec": {"usages": ["any"]}}')
        plane.ok("certificate", "approve", "jane")

        _, kept = plane.request("GET", f"{REQUESTS}/jane")
        assert kept["spec"]["usages"] == ["client auth"]
        assert [each["type"] for each in kept["status"]["conditions"]] == ["Approved"]
        assert "Approved" in plane.ok("get", "csr", "jane")
    finally:
        plane.ok("delete", "csr", "jane")


def _pairs() -> dict[str, tuple[bytes, bytes, list[str]]]:
    one, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    third = rsa.generate_private_key(65537, 2048)
    shown = certificate(one)
    return {
        "pair": (shown, private(one), []),
        "other key": (shown, private(other), ["tls: private key does not match public key"]),
        "other type": (shown, private(third), ["tls: private key type does not match public key type"]),
        "no key": (
            shown, shown, ["tls: found a certificate rather than a key in the PEM for the private key"],
        ),
        "switched": (
            private(one), shown,
            ["tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM "
             "inputs may have been switched"],
        ),
    }  # fmt: skip


PAIRS = _pairs()


@pytest.mark.parametrize("case", PAIRS)
def test_a_secret_whose_certificate_and_key_are_no_pair_is_taken_with_a_warning(
    plane: Plane, case: str
) -> None:
    shown, key, expected = PAIRS[case]
    data = {"tls.crt": b64encode(shown).decode(), "tls.key": b64encode(key).decode()}
    secret = {"metadata": {"name": "web"}, "type": "kubernetes.io/tls", "data": data}

    code, _, warnings = send(plane, SECRETS, secret)

    assert (code, warnings) == (201, expected)
