"""The page that says what is served is what the code serves, and its refusals are what it says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from labs.controlplane.schemas import generate_reference

from .plane import Plane
from .test_odd_requests import RECORDED


def test_the_tables_of_kinds_columns_and_flags_are_as_the_code_has_it() -> None:
    text = generate_reference.PAGE.read_text()

    assert generate_reference.page(text) == text, "run python -m labs.controlplane.schemas.generate_reference"


def _deployment(**changes: Any) -> dict[str, Any]:
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template, **changes}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def _selecting(name: str) -> dict[str, Any]:
    changed = _deployment(selector={"matchLabels": {"app": name}})
    changed["spec"]["template"]["metadata"]["labels"] = {"app": name}
    return changed


@pytest.mark.parametrize(
    ("method", "suffix", "body", "code", "reason"),
    [
        ("POST", "", _deployment(replicas=-1), 422, "Invalid"),
        ("PUT", "/d", _selecting("b"), 422, "Invalid"),
        ("POST", "?fieldValidation=Strict", _deployment(foo=1), 400, "BadRequest"),
        ("GET", "?resourceVersion=1&resourceVersionMatch=Nonsense", None, 422, "Invalid"),
        ("POST", "?dryRun=Some", _deployment(), 422, "Invalid"),
        ("POST", "?fieldValidation=Some", _deployment(), 422, "Invalid"),
    ],
)
def test_what_the_page_says_is_refused_is_refused_so(
    plane: Plane,
    namespace: str,
    method: str,
    suffix: str,
    body: dict[str, Any] | None,
    code: int,
    reason: str,
) -> None:
    base = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert plane.request("POST", base, _deployment())[0] == 201

    status, answer = plane.request(method, base + suffix, body)

    assert (status, answer["reason"]) == (code, reason), answer


def test_examples_of_what_is_no_object_are_answers_of_the_real_server() -> None:
    page = generate_reference.PAGE.read_text()
    examples = [text for _, text in re.findall(r"^\| (a|an) .*\| `([^`]+)` \|$", page, re.MULTILINE)]
    recorded = "\n".join(case["message"] for case in RECORDED)
    said = [example for example in examples if example in recorded]

    assert len(said) >= 7, said


def test_examples_of_the_page_are_what_kubectl_is_told(plane: Plane, namespace: str) -> None:
    examples = re.findall(r"\| `([^`]+)` \|$", generate_reference.PAGE.read_text(), re.MULTILINE)
    base = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    plane.request("POST", base, _deployment())
    said = [
        plane.request("POST", base, _deployment(replicas=-1))[1]["message"],
        plane.request("PUT", base + "/d", _selecting("b"))[1]["message"],
        plane.request("POST", base + "?fieldValidation=Strict", _deployment(foo=1))[1]["message"],
        plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps?fieldSelector=data.a=b")[1][
            "message"
        ],
    ]

    for example, message in zip(examples[:4], said, strict=True):
        assert example in message
