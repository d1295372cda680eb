"""Schemathesis against the server's own OpenAPI documents: all operations, with fitting and unfitting bodies.

FUZZ_EXAMPLES is how many requests of either sort an operation gets, FUZZ_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from tests.long.fuzzing import NAMESPACES, Witness

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 6)
#: These go to wherever an object's address says.
LEFT_OUT = ("/proxy",)
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
#: Whose rights are nobody's to delete.
ADMIN = "super-admin"
NAMES = ("a", "b", "c")


def test_no_request_of_the_schemas_is_answered_with_a_fault_or_forgotten(witness: Witness) -> None:
    number = int(os.environ.get("FUZZ_SEED") or time.time())
    print(f"FUZZ_SEED={number} FUZZ_EXAMPLES={EXAMPLES}")
    sent = 0
    for path in witness.plane.request("GET", "/openapi/v3", user=ADMIN)[1]["paths"]:
        status, document = witness.plane.request("GET", f"/openapi/v3/{path}", user=ADMIN)
        assert status == HTTPStatus.OK, f"{path}: {document}"
        for result in schemathesis.openapi.from_dict(document).get_all_operations():
            operation = result.ok()
            if not operation.path.endswith(LEFT_OUT):
                sent += _fuzzed(witness, operation, number)

    print(f"{sent} requests, {len(witness.known)} objects")
    witness.check()
    witness.kill_server()
    witness.check()


def _fuzzed(witness: Witness, operation: Any, number: int) -> int:
    """Send an operation's requests; how many there were."""
    count = 0
    cases = [operation.as_strategy(generation_mode=mode) for mode in MODES]

    @seed(number)
    @settings(
        max_examples=EXAMPLES * len(cases),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(*cases), st.sampled_from(NAMESPACES), st.sampled_from(NAMES), st.booleans())
    def send(case: Case, namespace: str, name: str, helped: bool) -> None:
        nonlocal count
        count += 1
        body = _body(operation, case, name) if helped else case.body
        target = _target(operation.path, case, namespace, name)
        headers = {"Content-Type": case.media_type} if case.media_type else {}
        witness.send(operation.method.upper(), target, _encoded(body), headers)

    send()
    return count


def _target(path: str, case: Case, namespace: str, name: str) -> str:
    for part, value in (("namespace", namespace), ("name", name)):
        path = path.replace(f"{{{part}}}", quote(value, safe=""))
    query = case.query if isinstance(case.query, dict) else {}
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in query.items()}
    return path + (f"?{urlencode(plain)}" if plain else "")


def _body(operation: Any, case: Case, name: str) -> Any:
    """The body with the kind and the name that the server looks for first, so that it looks further."""
    if not isinstance(case.body, dict) or operation.method not in ("post", "put"):
        return case.body
    kind = operation.definition.raw["x-kubernetes-group-version-kind"]
    version = "/".join(filter(None, (kind["group"], kind["version"])))
    metadata = case.body.get("metadata")
    kept = metadata if isinstance(metadata, dict) else {}
    dropped = ("namespace", "generateName", "resourceVersion", "uid")
    named = {**{key: value for key, value in kept.items() if key not in dropped}, "name": name}
    return {**case.body, "kind": kind["kind"], "apiVersion": version, "metadata": named}


def _encoded(body: Any) -> bytes:
    if body is None or type(body).__name__ == "NotSet":
        return b""
    return body if isinstance(body, bytes) else json.dumps(body).encode()
