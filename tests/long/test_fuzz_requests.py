"""Patches, selectors, tokens, versions, headers and bodies of every sort, thrown at a real server."""

from __future__ import annotations

import json
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labs.controlplane.apiserver.resources import RESOURCES, Resource
from tests.long import fuzz_objects
from tests.long.fuzz_values import ACCEPT, BODIES, PATCHES, QUERIES, SUBRESOURCES, TYPES, WRITING
from tests.long.fuzzing import NAMESPACES, Witness

#: How many requests each test makes: a few that are always the same, and many.
ROUNDS = [
    pytest.param(12, id="briefly"),
    pytest.param(800, id="at length", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
]
KINDS = {
    "/api/v1/namespaces/{}/configmaps": {"data": {"k": "v"}},
    "/api/v1/namespaces/{}/services": {
        "spec": {"ports": [{"name": "p", "port": 80}], "selector": {"a": "b"}}
    },
    "/api/v1/namespaces/{}/pods": {"spec": {"containers": [{"name": "c", "image": "x", "env": []}]}},
    "/apis/apps/v1/namespaces/{}/deployments": {
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "x"}]},
            },
        }
    },
}


PARTS = ("", "", "/status", "/scale")


def rounds(count: int) -> Any:
    """Hypothesis' settings for that many requests, of which a few are the same in every run."""
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=count < 100,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def encoded(query: dict[str, str]) -> str:
    return f"?{urlencode(query, errors='replace')}" if query else ""


@pytest.mark.parametrize("count", ROUNDS)
def test_no_patch_is_answered_with_a_fault_or_forgotten(witness: Witness, count: int) -> None:
    @rounds(count)
    @given(st.sampled_from([*KINDS]), st.sampled_from(NAMESPACES), PATCHES, WRITING, SUBRESOURCES)
    def patch(kind: str, namespace: str, patch: tuple[str, Any], query: dict[str, str], part: str) -> None:
        collection = kind.format(namespace)
        witness.json("POST", collection, {"metadata": {"name": "a", "labels": {"a": "b"}}, **KINDS[kind]})
        body = json.dumps(patch[1]).encode()
        witness.send("PATCH", f"{collection}/a{part}{encoded(query)}", body, {"Content-Type": patch[0]})

    patch()
    witness.check()


@pytest.mark.parametrize("count", ROUNDS)
def test_no_list_or_watch_is_answered_with_a_fault(witness: Witness, count: int) -> None:
    @rounds(count)
    @given(st.sampled_from([*KINDS]), QUERIES, ACCEPT)
    def read(kind: str, query: dict[str, str], accept: dict[str, str]) -> None:
        witness.send("GET", kind.format(NAMESPACES[0]) + encoded(query), headers=accept)

    read()
    witness.check()


@pytest.mark.parametrize("count", ROUNDS)
def test_no_body_is_answered_with_a_fault_or_forgotten(witness: Witness, count: int) -> None:
    @rounds(count)
    @given(
        *(st.sampled_from([*KINDS]), st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]), BODIES, TYPES),
        *(WRITING, SUBRESOURCES),
    )
    def send(kind: str, method: str, body: bytes, type_: str, query: dict[str, str], part: str) -> None:
        collection = kind.format(NAMESPACES[0])
        path = collection if method == "POST" and not part else f"{collection}/a{part}"
        witness.send(method, path + encoded(query), body, {"Content-Type": type_} if type_ else {})

    send()
    witness.check()


@pytest.mark.parametrize("count", ROUNDS)
def test_no_object_of_any_kind_is_answered_with_a_fault_or_forgotten(witness: Witness, count: int) -> None:
    stored = [resource for resource in RESOURCES if "list" in resource.verbs and resource.kind != "Namespace"]

    @rounds(count)
    @given(st.sampled_from(stored), st.randoms(use_true_random=False), st.sampled_from(PARTS))
    def write(resource: Resource, chance: Random, part: str) -> None:
        scope = f"namespaces/{NAMESPACES[0]}/" if resource.namespaced else ""
        root = f"/apis/{resource.group}" if resource.group else "/api"
        collection = f"{root}/{resource.version}/{scope}{resource.plural}"
        witness.json("POST", collection, fuzz_objects.least(resource, "a"))
        witness.json("POST", collection, fuzz_objects.body(resource, chance))
        witness.json("PUT", f"{collection}/a{part}", fuzz_objects.body(resource, chance))
        patch = json.dumps(fuzz_objects.body(resource, chance)).encode()
        for kind in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            witness.send("PATCH", f"{collection}/a{part}", patch, {"Content-Type": kind})
        applied = {"Content-Type": "application/apply-patch+yaml"}
        witness.send("PATCH", f"{collection}/a{part}?fieldManager=f&force=true", patch, applied)

    write()
    witness.check()
