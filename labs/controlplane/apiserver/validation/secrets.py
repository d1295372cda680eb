"""Secrets of the types that the API knows (`ValidateSecret` of `pkg/apis/core/validation`)."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from labs.core import names
from labs.core.field import Findings
from labs.golang import gojson
from labs.golang.pem import PEMError, check_pair

Object = dict[str, Any]
#: What a ConfigMap or a Secret may hold, in bytes.
MAX_DATA = 1024 * 1024
_ACCOUNT = "kubernetes.io/service-account.name"
_TLS = "kubernetes.io/tls"
_DOCKER = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}


def check_secret(found: Findings, secret: Object) -> None:
    """Everything wrong with a Secret but its metadata."""
    data = {key: b64decode(value or "") for key, value in (secret.get("data") or {}).items()}
    for key in data:
        found.faults(f"data[{key}]", key, names.config_key_faults(key))
    if sum(map(len, data.values())) > MAX_DATA:
        found.too_long("data", MAX_DATA)
    match secret["type"]:
        case "kubernetes.io/service-account-token":
            if not (secret["metadata"].get("annotations") or {}).get(_ACCOUNT):
                found.required(f"metadata.annotations[{_ACCOUNT}]")
        case "kubernetes.io/basic-auth":
            if data.keys().isdisjoint(("username", "password")):
                found.required("data[username]")
                found.required("data[password]")
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                found.required("data[ssh-privatekey]")
        case "kubernetes.io/tls":
            for key in ("tls.crt", "tls.key"):
                if key not in data:
                    found.required(f"data[{key}]")
        case kind if key := _DOCKER.get(kind):
            _credentials(found, f"data[{key}]", data.get(key))


def _credentials(found: Findings, path: str, content: bytes | None) -> None:
    if content is None:
        found.required(path)
        return
    hidden = "<secret contents redacted>"
    try:
        read = json.loads(content.decode(errors="replace"))
    except json.JSONDecodeError as error:
        found.invalid(path, hidden, gojson.syntax_error(error, content))
        return
    if read is not None and not isinstance(read, dict):
        kind = gojson.kind(read)
        found.invalid(
            path, hidden, f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        )


def secret_warnings(secret: Object) -> list[str]:
    """What a client is told of a Secret that is taken: that its certificate and its key are no pair."""
    if secret["type"] != _TLS:
        return []
    try:
        check_pair(b64decode(secret["data"]["tls.crt"]), b64decode(secret["data"]["tls.key"]))
    except PEMError as error:
        return [str(error)]
    return []
