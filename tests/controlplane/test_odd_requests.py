"""Requests that are wrong in some way are answered as recorded from kube-apiserver 1.36.2.

A line of odd_requests.jsonl: method, path, body and its type (after an @: what is accepted), and the
code, reason and message that came back; of an answer that is no Status only the code. They were asked in
the namespace `odd`, which had the objects of `OBJECTS`.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from .plane import Plane

RECORDED = [
    json.loads(line) for line in (Path(__file__).parent / "data/odd_requests.jsonl").read_text().splitlines()
]
_LABELS = {"a": "b"}
_CONTAINERS = [{"name": "c", "image": "busybox:1.36"}]
_TEMPLATE = {"metadata": {"labels": _LABELS}, "spec": {"containers": _CONTAINERS}}
CORE = "/api/v1/namespaces/odd"
OBJECTS = {
    f"{CORE}/configmaps": {"metadata": {"name": "a"}, "data": {"k": "v"}},
    f"{CORE}/pods": {"metadata": {"name": "p"}, "spec": {"containers": _CONTAINERS}},
    "/apis/apps/v1/namespaces/odd/deployments": {
        "metadata": {"name": "d"},
        "spec": {"replicas": 0, "selector": {"matchLabels": _LABELS}, "template": _TEMPLATE},
    },
}


def test_odd_requests_are_answered_as_recorded(plane: Plane) -> None:
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": "odd"}})
    plane.give_account("odd")
    connection = plane.connection()
    answers, missing = list[dict[str, Any]](), True

    for case in RECORDED:
        for path, obj in OBJECTS.items() if missing else ():
            _ask(connection, "POST", path, json.dumps(obj).encode(), "application/json")
        body = case["body"].encode("latin-1" if "\xff" in case["body"] else "utf-8")
        code, reason, message = _ask(connection, case["method"], case["path"], body, case["type"])
        missing = case["method"] == "DELETE"
        answers.append({**case, "code": code, "reason": reason, "message": message})
    connection.close()

    assert answers == RECORDED


def _ask(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes, kind: str
) -> tuple[int, str, str]:
    headers = {"Accept": kind[1:]} if kind.startswith("@") else {"Content-Type": kind} if kind else {}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read() or b"{}")
    if answer.get("kind") != "Status" or answer["status"] == "Success":
        return response.status, "", ""
    return response.status, answer.get("reason", ""), answer["message"][:700]


@pytest.mark.parametrize("levels", [501, 30_000])
@pytest.mark.parametrize("kind", ["application/yaml", "application/apply-patch+yaml"])
def test_yaml_of_many_levels_is_refused_and_ends_no_server(plane: Plane, levels: int, kind: str) -> None:
    method, path = ("PATCH", "/a?fieldManager=f") if "apply" in kind else ("POST", "")
    connection = plane.connection()

    code, _, message = _ask(
        connection, method, f"{CORE}/configmaps{path}", b'{"a":' * levels + b"1" + b"}" * levels, kind
    )
    connection.close()

    assert code == 400
    assert "exceeded max depth" in message
    assert plane.ended() is None
