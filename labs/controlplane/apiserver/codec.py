"""Bodies in and out: which format a client sends, and which it wants to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from labs.controlplane.http import BODY_LIMIT, Request, Response

from . import status, wire

Object = dict[str, Any]
JSON_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
PATCH_TYPES = (
    *("application/json-patch+json", "application/merge-patch+json"),
    *("application/strategic-merge-patch+json", "application/apply-patch+yaml"),
)


def content_type(request: Request) -> str:
    """The media type of a request's body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip()


def read_object(request: Request) -> Object:
    """A request's body as an object. Raises a Status for what cannot be read."""
    if request.too_large:
        raise status.too_large(BODY_LIMIT)
    kind = content_type(request) or "application/json"
    if kind == wire.CONTENT_TYPE:
        try:
            return wire.decode(request.body)
        except ValueError as error:
            raise status.bad_request(f"unable to decode: {error}") from error
    if kind not in ("application/json", "application/yaml"):
        raise status.unsupported_media_type(JSON_TYPES)
    return as_object(parse(request.body, kind))


def parse(body: bytes, kind: str) -> Any:
    """The value a body holds."""
    try:
        if kind.endswith("yaml"):
            return yaml.safe_load(body)
        return json.loads(body)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise status.bad_request(
            f"the object provided is unrecognized (must be of type {kind}): {error}"
        ) from error


def as_object(value: Any) -> Object:
    """The value, if it is an object."""
    if not isinstance(value, dict):
        raise status.bad_request("json: cannot unmarshal into Go value of type map[string]interface {}")
    return value


def dump(value: Any) -> bytes:
    """JSON as the API writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def accepted(request: Request) -> list[dict[str, str]]:
    """The media types of the Accept header with their parameters, in the client's order."""
    result = []
    for clause in request.headers.get("accept", "*/*").split(","):
        kind, *parameters = (part.strip() for part in clause.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        result.append({"": kind, **{key: value for key, _, value in pairs}})
    return result


def respond(code: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return respond_encoded(code, dump(value), headers)


def respond_encoded(code: int, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is JSON already."""
    return Response(
        code,
        body,
        {"Cache-Control": "no-cache, private", "Content-Type": "application/json", **(headers or {})},
    )
