"""What kube-apiserver 1.36.2 made of objects of 36 kinds, good ones and ones with a wrong field or two.

A line of kinds.jsonl: what differs from a good one, where it is sent, the object, and the answer's code with
a refusal's message or the object as it was made (addresses, UIDs and times aside), and the warnings.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .plane import Plane
from .test_pods_refused import send

RECORDED = [json.loads(line) for line in Path(__file__).with_name("kinds.jsonl").read_text().splitlines()]
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOW = re.compile(r"20\d\d-\d\d-\d\dT[0-9:.]+Z")
#: Of metadata, what is another each time.
OWN = ("uid", "creationTimestamp", "managedFields", "resourceVersion")
#: Of a request for a certificate, who made it.
ASKED_BY = ("username", "groups", "extra")


def faults(message: str) -> list[str]:
    """The single faults of a refusal: Go takes maps in any order."""
    whose, told, text = UID.sub("UID", message).partition(" is invalid: ")
    if not told:
        return [whose]
    listed = text.removeprefix("[").removesuffix("]")
    return [whose, *sorted(re.split(r", (?=[A-Za-z]+[.\[:])", listed))]


def plain(made: dict[str, Any]) -> dict[str, Any]:
    """An object without what is another each time."""
    for part in OWN:
        made["metadata"].pop(part, None)
    if made["kind"] == "Service":
        spec = made["spec"]
        given = () if spec.get("clusterIP") == "None" else ("clusterIP", "clusterIPs")
        for part in (*given, "healthCheckNodePort"):
            spec.pop(part, None)
        for port in spec.get("ports") or []:
            port.pop("nodePort", None)
    if made["kind"] == "CertificateSigningRequest":
        for part in ASKED_BY:
            made["spec"].pop(part, None)
    text = json.dumps(made)
    if made["kind"] != "Event":
        text = NOW.sub("NOW", text)
    plain: dict[str, Any] = json.loads(UID.sub("UID", text))
    return plain


@pytest.mark.parametrize("case", RECORDED, ids=[case["case"] for case in RECORDED])
def test_an_object_is_made_or_refused_as_recorded(plane: Plane, case: dict[str, Any]) -> None:
    code, answer, warnings = send(plane, case["path"], case["object"])

    said = answer["message"] if code >= 300 else ""
    assert (code, faults(said)) == (case["code"], faults(case.get("says", "")))
    if "made" in case:
        assert plain(answer) == case["made"]
    assert sorted(warnings) == sorted(case.get("warnings", []))
