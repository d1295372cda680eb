"""CertificateSubjectRestriction: nobody asks for a certificate that may do everything.

Mirrors `plugin/pkg/admission/certificates/subjectrestriction`, and `csrStrategy.PrepareForCreate`.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from labs.golang.x509 import organizations, read_request

from .. import status
from ..context import User

Object = dict[str, Any]
_GROUP, _PLURAL = "certificates.k8s.io", "certificatesigningrequests"
_SIGNER, _MASTERS = "kubernetes.io/kube-apiserver-client", "system:masters"


def sign_off(request: Object, user: User) -> None:
    """Note who asks, whatever the client says of it."""
    spec = request["spec"]
    for part in ("username", "uid", "groups", "extra"):
        spec.pop(part, None)
    known = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": user.extra}
    spec.update({part: value for part, value in known.items() if value})


def check(request: Object) -> None:
    """Refuse a client's certificate for the group that nothing is denied to. Raises a 403."""
    spec = request["spec"]
    if spec["signerName"] == _SIGNER and _MASTERS in organizations(read_request(b64decode(spec["request"]))):
        why = f"use of {_SIGNER} signer with {_MASTERS} group is not allowed"
        raise status.forbidden(_GROUP, _PLURAL, request["metadata"]["name"], why)
