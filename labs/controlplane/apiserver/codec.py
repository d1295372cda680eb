"""Bodies in and out: which format a client sends, and which it wants to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labs.controlplane import mediatypes
from labs.controlplane.http import BODY_LIMIT, Request, Response
from labs.golang import gojson

from . import decoding, schema, status, wire

Object = dict[str, Any]
JSON_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_TYPE_META = (
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)
STRATEGIC = "application/strategic-merge-patch+json"
PATCH_TYPES = (
    *("application/json-patch+json", "application/merge-patch+json"),
    *(STRATEGIC, "application/apply-patch+yaml"),
)


def content_type(request: Request) -> str:
    """The media type of a request's body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip()


def read_object(request: Request, kind: str) -> Object:
    """A request's body as an object of that kind, its type said or not. Raises a Status."""
    try:
        value = _read(request)
    except ValueError as error:
        text = str(error)
        if content_type(request) != wire.CONTENT_TYPE and not text.startswith("yaml:"):
            text = f"couldn't get version/kind; json parse error: {text}"
        about = f"the object provided is unrecognized (must be of type {kind})"
        raise status.bad_request(f"{about}: {text} ({decoding.summary(request.body)})") from error
    # an empty kind or version is one that is not given
    return {k: v for k, v in value.items() if v or k not in ("kind", "apiVersion")}


def read_options(request: Request) -> Object:
    """The body of a deletion: its `DeleteOptions`. Raises a Status."""
    try:
        options = _read(request)
        kind, version = options.pop("kind", ""), options.pop("apiVersion", "")
        if kind not in ("", "DeleteOptions"):
            scheme = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"
            version = version or "meta.k8s.io/v1"
            raise status.bad_request(
                f'no kind "{kind}" is registered for version "{version}" in scheme "{scheme}"'
            )
        schema.prune(options, DELETE_OPTIONS)
    except schema.DecodeError as error:
        raise status.bad_request(str(error)) from error
    except ValueError as error:
        raise status.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    return options


def read(request: Request, kind: str, name: str) -> Object:
    """A request's body as an object of the kind whose definition has that name. Raises a Status."""
    obj = read_object(request, kind)
    package, version = name.split(".")[-3:-1]
    if obj.setdefault("kind", kind) != kind:
        raise status.bad_request(
            unknown_conversion(
                kind=obj["kind"], version=obj.get("apiVersion", ""), wanted=kind, group=package
            )
        )
    try:
        schema.prune(obj, name)
    except schema.DecodeError as error:
        about = f'{kind} in version "{version}" cannot be handled as a {kind}'
        raise status.bad_request(f"{about}: {error}") from error
    return obj


def unknown_conversion(kind: Any, version: Any, wanted: str, group: str) -> str:
    """What is said of an object of another kind than the one that is `wanted`."""
    for part, given in (("apiVersion", version), ("kind", kind)):
        if not isinstance(given, str):  # patched so
            found = gojson.kind(given)
            return f"json: cannot unmarshal {found} into Go struct field .{part} of type string"
    about = f'{kind} in version "{version.rpartition("/")[2]}" cannot be handled as a {wanted}'
    if not schema.is_known(version, kind):
        scheme = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
        return f'{about}: no kind "{kind}" is registered for version "{version}" in scheme "{scheme}"'
    return f"{about}: converting ({version}.{kind}) to ({group}.{wanted}): unknown conversion"


def _read(request: Request) -> Object:
    """An object whose kind and version are text, if given. Raises `ValueError`, or a Status."""
    if request.too_large:
        raise status.too_large(BODY_LIMIT)
    kind = content_type(request) or "application/json"
    if kind == wire.CONTENT_TYPE:
        if not request.body:
            raise ValueError("empty data")
        return wire.decode(request.body)
    if kind not in ("application/json", "application/yaml"):
        raise status.unsupported_media_type(JSON_TYPES)
    value = parse(request.body, kind)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type {_TYPE_META}")
    for part in ("apiVersion", "kind"):
        if not isinstance(value.get(part), str | None):
            found = gojson.kind(value[part])
            raise ValueError(f"json: cannot unmarshal {found} into Go struct field .{part} of type string")
    return value


def parse(body: bytes, kind: str) -> Any:
    """The value a body holds. Raises `ValueError`."""
    return decoding.from_yaml(body) if kind.endswith("yaml") else decoding.from_json(body)


def dump(value: Any) -> bytes:
    """JSON as the API writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def accepted(request: Request) -> list[dict[str, str]]:
    """The media types of the Accept header with their parameters, in the client's order."""
    return mediatypes.clauses(request.headers.get("accept", "*/*"))


def respond(code: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return respond_encoded(code, dump(value), headers)


def in_words(code: int, text: str) -> Response:
    """An answer that is no document; browsers are not to guess at what it is."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return Response(code, text.encode(), headers)


def no_page() -> Response:
    """The answer for a path that nobody has."""
    return in_words(404, "404 page not found\n")


def respond_encoded(code: int, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is JSON already."""
    return Response(
        code,
        body,
        {"Cache-Control": "no-cache, private", "Content-Type": "application/json", **(headers or {})},
    )
