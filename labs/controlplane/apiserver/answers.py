"""What an answer looks like on its way out: JSON in one line, in lines for people, or YAML.

Follows `k8s.io/apiserver/pkg/endpoints/handlers/negotiation`; which media types may be asked for at all is
go-restful's question, asked before anything is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from labs.controlplane.http import Request, Response
from labs.golang import gojson, goyaml

from . import status
from .codec import JSON_TYPES, accepted

YAML = "application/yaml"
STREAMED = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
#: What Go takes for true, and how programs begin their names that people sit at.
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_READ_BY_PEOPLE = ("curl", "Wget", "Mozilla/5.0")


def check_accepted(request: Request, offered: Sequence[str] = JSON_TYPES) -> None:
    """Raises a 406 for a client that reads none of what is `offered`."""
    if {choice[""] for choice in accepted(request)}.isdisjoint({"", "*/*", *offered}):
        raise status.not_represented(offered)


def present(request: Request, response: Response) -> Response:
    """The answer as this client wants it, if it is JSON and no stream."""
    response.headers.setdefault("Cache-Control", "no-cache, private")
    is_json = response.headers.get("Content-Type") == "application/json"
    if not is_json or not isinstance(response.body, bytes) or request.path.startswith("/openapi/"):
        return response
    if _wants_yaml(request):
        response.headers["Content-Type"] = YAML
        response.body = goyaml.dump(json.loads(response.body)).encode()
    elif _wants_lines(request):
        response.body = in_lines(json.loads(response.body))
    return response


def in_lines(value: Any) -> bytes:
    """JSON for people."""
    return gojson.indented(value, 2).encode()


def _wants_yaml(request: Request) -> bool:
    if YAML not in request.headers.get("accept", ""):
        return False
    wanted = (choice[""] for choice in accepted(request))
    return next((kind for kind in wanted if kind in ("*/*", *JSON_TYPES)), "") == YAML


def _wants_lines(request: Request) -> bool:
    """By what is asked for, or by the program that asks (`isPrettyPrint`)."""
    if asked := request.argument("pretty"):
        return asked in _TRUE
    return request.headers.get("user-agent", "").startswith(_READ_BY_PEOPLE)
