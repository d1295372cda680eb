"""etcd is the store: revisions are etcd's own, nothing acknowledged is lost, and without it nothing works."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from .plane import NODE, Plane, pod, until

MERGE = {"Content-Type": "application/merge-patch+json"}


def test_resource_versions_are_etcds_modification_revisions(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "create", "configmap", "app", "--from-literal=a=1")
    plane.ok("-n", namespace, "label", "configmap", "app", "x=y")

    version = plane.ok(
        "-n", namespace, "get", "configmap", "app", "-o", "jsonpath={.metadata.resourceVersion}"
    )
    found = json.loads(plane.etcdctl("get", f"/registry/configmaps/{namespace}/app", "-w", "json"))

    assert int(version) == found["kvs"][0]["mod_revision"]
    assert json.loads(base64.b64decode(found["kvs"][0]["value"]))["data"] == {"a": "1"}


def test_keys_are_where_kubernetes_has_them(plane: Plane, namespace: str, node_uid: str) -> None:
    assert node_uid
    plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("web", namespace))

    keys = plane.etcdctl("get", "/registry/", "--prefix", "--keys-only").split()

    assert {
        f"/registry/pods/{namespace}/web",
        f"/registry/minions/{NODE}",
        f"/registry/namespaces/{namespace}",
        "/registry/services/specs/default/kubernetes",
        "/registry/priorityclasses/system-node-critical",
    } <= set(keys)


def test_a_list_tells_the_revision_of_the_store(plane: Plane, namespace: str) -> None:
    plane.ok("-n", namespace, "create", "configmap", "app")

    listed = plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")[1]

    made = int(listed["items"][0]["metadata"]["resourceVersion"])
    assert int(listed["metadata"]["resourceVersion"]) >= made


def test_a_killed_server_finds_every_object_again(own_plane: Plane) -> None:
    for number in range(20):
        own_plane.request(
            "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": f"a{number}"}}
        )
    before = own_plane.request("GET", "/api/v1/configmaps")[1]["items"]

    own_plane.kill()
    own_plane.start()

    assert own_plane.request("GET", "/api/v1/configmaps")[1]["items"] == before


def test_a_watch_goes_on_where_it_was_after_the_server_was_killed(own_plane: Plane) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    own_plane.request("POST", path, {"metadata": {"name": "seen"}})
    version = own_plane.request("GET", path)[1]["metadata"]["resourceVersion"]
    own_plane.request("POST", path, {"metadata": {"name": "missed"}})
    own_plane.request("DELETE", f"{path}/seen")

    own_plane.kill()
    own_plane.start()

    connection = own_plane.connection()
    connection.request("GET", f"{path}?watch=true&resourceVersion={version}&timeoutSeconds=1")
    events = [json.loads(line) for line in connection.getresponse().read().splitlines()]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
        ("ADDED", "missed"),
        ("DELETED", "seen"),
    ]


def test_without_etcd_requests_wait_for_their_time_and_health_says_why(own_plane: Plane) -> None:
    own_plane.stop_etcd()

    started = time.monotonic()
    result = own_plane.kubectl("get", "pods", "--request-timeout=2s")
    health, text = own_plane.request("GET", "/livez?verbose", user=None)

    assert result.returncode == 1
    assert time.monotonic() - started >= 2
    assert health == 500
    assert "[-]etcd failed: reason withheld" in text
    assert text.endswith("livez check failed\n")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_request_whose_time_is_over_is_answered_without_a_kind(own_plane: Plane, method: str) -> None:
    own_plane.stop_etcd()

    answer = own_plane.request(method, "/api/v1/namespaces/default/configmaps/app?timeout=1s")

    message = "Timeout: request did not complete within the allotted timeout"
    assert answer == (
        504,
        {"metadata": {}, "status": "Failure", "message": message}
        | {"reason": "Timeout", "details": {}, "code": 504},
    )


@pytest.mark.long
def test_a_write_has_less_time_than_a_read(own_plane: Plane) -> None:
    own_plane.stop_etcd()

    started = time.monotonic()
    refused = own_plane.kubectl("create", "configmap", "app")

    assert 34 <= time.monotonic() - started < 60
    why = "Timeout: request did not complete within requested timeout - context deadline exceeded"
    assert refused.stderr == f"error: failed to create configmap: {why}\n"


def test_when_etcd_returns_so_does_everything(own_plane: Plane) -> None:
    own_plane.ok("create", "configmap", "app")
    with own_plane.kubectl_running("get", "configmaps", "-w", "-o", "name") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "configmap/app\n"
        own_plane.stop_etcd()
        own_plane.start_etcd()

        own_plane.ok("create", "configmap", "later")

        assert watching.stdout.readline() == "configmap/later\n"


def test_the_store_of_an_older_time_is_told_apart(own_plane: Plane) -> None:
    status, answer = own_plane.request(
        "GET",
        "/api/v1/namespaces/default/configmaps?resourceVersion=1000000&resourceVersionMatch=NotOlderThan",
    )

    assert status == 504
    assert answer["message"].startswith("Timeout: Too large resource version: 1000000, current: ")
    assert answer["details"]["causes"] == [
        {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    ]


def test_what_etcd_refuses_is_said_in_its_words(own_plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCD_QUOTA_BACKEND_BYTES", "1")
    own_plane.stop_etcd()
    own_plane.start_etcd()
    until(lambda: own_plane.request("GET", "/readyz", user=None)[0] == 200)

    code, refusal = own_plane.request(
        "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "app"}}
    )

    why = "etcdserver: mvcc: database space exceeded"
    assert (code, refusal["message"]) == (500, why)
    assert "reason" not in refusal
    shown = f'rpctypes.EtcdError{{code:0x8, desc:\\"{why}\\"}}: {why}"'
    assert f"received an error that is not an metav1.Status: {shown}" in own_plane.log.read_text()
    assert own_plane.request("GET", "/api/v1/namespaces/default/configmaps")[0] == 200


class TestWhatTheServerDidNotWriteItself:
    """It remembers what it wrote last; what another one, or etcdctl, made of that counts all the same."""

    @pytest.fixture
    def path(self, plane: Plane, namespace: str) -> str:
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        plane.request("POST", path, {"metadata": {"name": "app"}, "data": {"a": "ours"}})
        return f"{path}/app"

    @pytest.fixture
    def theirs(self, plane: Plane, namespace: str, path: str) -> dict[str, Any]:
        """The object as it is after somebody else's change, behind the server's back."""
        key = f"/registry/configmaps/{namespace}/app"
        stored = json.loads(plane.etcdctl("get", key, "--print-value-only"))
        plane.etcdctl("put", key, json.dumps({**stored, "data": {"a": "theirs"}}))
        answered: dict[str, Any] = plane.request("GET", path)[1]
        return answered

    def test_a_patch_is_laid_over_it(self, plane: Plane, path: str, theirs: dict[str, Any]) -> None:
        code, patched = plane.request("PATCH", path, {"data": {"b": "new"}}, headers=MERGE)

        assert (code, patched["data"]) == (200, {"a": "theirs", "b": "new"})

    def test_a_patch_back_to_what_was_written_is_a_change(
        self, plane: Plane, path: str, theirs: dict[str, Any]
    ) -> None:
        plane.request("PATCH", path, {"data": {"a": "ours"}}, headers=MERGE)

        assert plane.request("GET", path)[1]["data"] == {"a": "ours"}

    def test_a_put_that_names_its_version_is_taken(
        self, plane: Plane, path: str, theirs: dict[str, Any]
    ) -> None:
        code, put = plane.request("PUT", path, {**theirs, "data": {"a": "mine"}})

        assert (code, put["data"]) == (200, {"a": "mine"})

    def test_a_put_that_names_the_version_before_it_is_a_conflict(
        self, plane: Plane, path: str, namespace: str
    ) -> None:
        ours = plane.request("GET", path)[1]
        plane.etcdctl("put", f"/registry/configmaps/{namespace}/app", json.dumps(ours))

        assert plane.request("PUT", path, {**ours, "data": {"a": "mine"}})[0] == 409

    def test_what_is_gone_cannot_be_changed(self, plane: Plane, path: str, namespace: str) -> None:
        plane.etcdctl("del", f"/registry/configmaps/{namespace}/app")

        assert plane.request("PATCH", path, {"data": {"a": "mine"}}, headers=MERGE)[0] == 404


def test_events_expire(plane: Plane, namespace: str) -> None:
    event = {"metadata": {"name": "web.1"}, "involvedObject": {"namespace": namespace}, "type": "Normal"}
    plane.request("POST", f"/api/v1/namespaces/{namespace}/events", event)

    found = json.loads(plane.etcdctl("get", f"/registry/events/{namespace}/web.1", "-w", "json"))
    lease = json.loads(plane.etcdctl("lease", "timetolive", f"{found['kvs'][0]['lease']:x}", "-w", "json"))

    assert 3000 < lease["granted-ttl"] <= 3660
