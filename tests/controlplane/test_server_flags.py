"""Flags of the API server that change what it does, on a server that has them all."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.controlplane.apiserver.etcd import Keys

from .plane import Plane, pod

MAPS = "/api/v1/namespaces/default/configmaps"
FORBIDDEN = "Forbidden: disallowed by cluster policy"


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Serves beside what another server has left in the same etcd, a ConfigMap `theirs` among it."""
    plane = Plane(tmp_path_factory.mktemp("changed"))
    plane.start_etcd()
    plane.start()
    assert plane.request("POST", MAPS, {"metadata": {"name": "theirs"}})[0] == 201
    plane.end()
    flags = plane.flags(
        allow_privileged=None,
        default_not_ready_toleration_seconds="7",
        default_unreachable_toleration_seconds="8",
        etcd_prefix="other/",
        event_ttl="5m",
    )
    plane.api = plane.spawn(flags)
    plane.wait_ready()
    plane.give_account("default")
    yield plane
    plane.stop()


def test_with_another_prefix_the_cluster_is_another(changed: Plane) -> None:
    assert changed.request("GET", f"{MAPS}/theirs")[0] == 404
    assert changed.request("POST", MAPS, {"metadata": {"name": "ours"}})[0] == 201

    keys = changed.etcdctl("get", "", "--from-key", "--keys-only").split()

    assert {key.split("/")[1] for key in keys if key.startswith("/")} == {"other", "registry"}
    assert "/registry/configmaps/default/theirs" in keys
    assert "/other/configmaps/default/ours" in keys


def test_a_watch_tells_of_this_cluster_alone(changed: Plane) -> None:
    _, listed = changed.request("GET", MAPS)
    query = f"watch=true&timeoutSeconds=2&resourceVersion={listed['metadata']['resourceVersion']}"
    changed.etcdctl("del", "/registry/configmaps/default/theirs")

    changed.request("POST", MAPS, {"metadata": {"name": "watched"}})
    _, text = changed.request("GET", f"{MAPS}?{query}", headers={"Accept": "application/yaml, */*"})

    events = [json.loads(line) for line in text.splitlines()] if isinstance(text, str) else [text]
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "watched")
    ]


def test_privileged_containers_are_refused_unless_the_flag_lets_them(changed: Plane, plane: Plane) -> None:
    def made(where: Plane) -> tuple[int, str]:
        wanted = pod("strong")
        wanted["spec"]["containers"][0]["securityContext"] = {"privileged": True}
        code, answer = where.request("POST", "/api/v1/namespaces/default/pods?dryRun=All", wanted)
        return code, answer.get("message", "")

    why = f'Pod "strong" is invalid: spec.containers[0].securityContext.privileged: {FORBIDDEN}'
    assert made(changed) == (422, why)
    assert made(plane) == (201, "")


def test_pods_tolerate_an_outage_as_long_as_the_flags_say(changed: Plane) -> None:
    _, made = changed.request("POST", "/api/v1/namespaces/default/pods?dryRun=All", pod("patient"))

    seconds = {each["key"]: each["tolerationSeconds"] for each in made["spec"]["tolerations"]}
    assert seconds == {"node.kubernetes.io/not-ready": 7, "node.kubernetes.io/unreachable": 8}


def test_events_go_after_the_time_that_the_flag_says(changed: Plane) -> None:
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "x"},
    }
    assert changed.request("POST", "/api/v1/namespaces/default/events", event)[0] == 201

    found = json.loads(changed.etcdctl("get", "/other/events/default/e", "--write-out=json"))
    lease = found["kvs"][0]["lease"]
    left = changed.etcdctl("lease", "timetolive", f"{lease:x}")

    granted = re.search(r"granted with TTL\((\d+)s\)", left)
    assert granted, left
    assert 300 <= int(granted[1]) <= 360


@given(st.sampled_from(["/registry", "registry", "/x", "x/y/", "/"]), st.text("abc/", max_size=12))
def test_a_key_comes_back_from_etcd_as_it_was(prefix: str, name: str) -> None:
    keys, key = Keys(prefix), f"/registry/{name}"

    assert keys.decode(keys.encode(key)) == key


@given(st.sampled_from(["/x", "x/y/", "/registry2"]), st.text("abc/", max_size=12))
def test_another_clusters_key_is_below_no_folder_of_this_one(prefix: str, name: str) -> None:
    foreign = Keys("/registry").encode(f"/registry/{name}")

    assert not Keys(prefix).decode(foreign).startswith("/registry")
    assert b64decode(foreign).decode() == f"/registry/{name}"
