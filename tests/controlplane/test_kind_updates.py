"""What kube-apiserver 1.36.2 made of changes to objects of 34 kinds that it had already.

A line of kind_updates.jsonl: what differs from the good object that is there (the first of its kind), where
it is sent, the object, and the answer's code with a refusal's message or the object as it would be, its
status aside, and the warnings.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .plane import Plane
from .test_kinds import faults, plain

RECORDED = [
    json.loads(line) for line in Path(__file__).with_name("kind_updates.jsonl").read_text().splitlines()
]
GOOD = {case["object"]["kind"]: case["object"] for case in reversed(RECORDED)}


def change(plane: Plane, path: str, obj: dict[str, Any]) -> tuple[int, dict[str, Any], list[str]]:
    """A dry run of an update: the code, the answer and the warnings."""
    connection = plane.connection("admin")
    try:
        connection.request("PUT", f"{path}?dryRun=All", json.dumps(obj), {"Content-Type": "application/json"})
        response = connection.getresponse()
        told = re.findall(r'299 - ("(?:[^"\\]|\\.)*")', response.headers.get("Warning", ""))
        return response.status, json.loads(response.read()), [json.loads(text) for text in told]
    finally:
        connection.close()


@pytest.mark.parametrize("case", RECORDED, ids=[case["case"] for case in RECORDED])
def test_a_change_is_taken_or_refused_as_recorded(plane: Plane, case: dict[str, Any]) -> None:
    obj = json.loads(json.dumps(case["object"]))
    here = f"{case['path']}/{obj['metadata']['name']}"
    plane.request("POST", case["path"], GOOD[obj["kind"]])
    _, there = plane.request("GET", here)
    obj["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]

    code, answer, warnings = change(plane, here, obj)

    said = answer["message"] if code >= 300 else ""
    assert (code, faults(said)) == (case["code"], faults(case.get("says", "")))
    if "made" in case:
        answer.pop("status", None)
        assert plain(answer) == plain(case["made"])
    assert sorted(warnings) == sorted(case.get("warnings", []))
