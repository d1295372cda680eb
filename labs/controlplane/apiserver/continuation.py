"""The `continue` token of a list that was sent in parts: where it goes on, and at which revision.

Mirrors `k8s.io/apiserver/pkg/storage/continue.go`.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from posixpath import normpath
from typing import Any

from labs.golang import gojson

from . import decoding, status

_VERSION = "meta.k8s.io/v1"
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def encode(revision: int, key: str, prefix: str) -> str:
    """The token of a list below `prefix` that goes on at `key`."""
    token = {"v": _VERSION, "rv": revision, "start": key.removeprefix(prefix)}
    return urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(token: str, prefix: str) -> tuple[int, str | None]:
    """Its revision (0: the present one) and its key; raises a Status for what is no token."""
    if not token:
        return 0, None
    try:
        revision, start = _read(token)
    except ValueError as error:
        raise status.bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    return max(0, revision), prefix + start


def _read(token: str) -> tuple[int, str]:
    strange = next((index for index, letter in enumerate(token) if letter not in _ALPHABET), None)
    if strange is not None or len(token) % 4 == 1:
        at = len(token) // 4 * 4 if strange is None else strange
        raise ValueError(f"illegal base64 data at input byte {at}")
    value: Any = decoding.from_json(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    if not isinstance(value, dict):
        found = gojson.kind(value)
        raise ValueError(f"json: cannot unmarshal {found} into Go value of type storage.continueToken")
    version, revision, start = value.get("v", ""), value.get("rv", 0), value.get("start", "")
    for part, read, kind in (("v", version, str), ("rv", revision, int), ("start", start, str)):
        if not isinstance(read, kind) or isinstance(read, bool):
            found, type_ = gojson.kind(read), "int64" if kind is int else "string"
            field = f"Go struct field continueToken.{part} of type {type_}"
            raise ValueError(f"json: cannot unmarshal {found} into {field}")
    if version != _VERSION:
        raise ValueError(f"server does not recognize this encoded version {version}")
    if revision == 0 or revision >= 1 << 63:
        raise ValueError(f"incorrect encoded start resourceVersion (version {_VERSION})")
    if not start:
        raise ValueError(f"empty encoded start key (version {_VERSION})")
    key = start if start.startswith("/") else f"/{start}"
    if normpath(key) != key:
        raise ValueError(start)
    return revision, start
