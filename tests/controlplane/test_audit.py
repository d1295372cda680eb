"""The audit trail: every write is recorded before its answer, in the recorded shape."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from labs.controlplane.apiserver.audit import Evidence

from .plane import NODE, Plane, mirror, pod

MIRROR_NAME = f"web-{NODE}"


class Trail:
    """The receiving end."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver

    def next(self) -> dict[str, Any]:
        """The next record; there must be one already, or soon."""
        message = json.loads(self._receiver.recv(1 << 17))
        assert message["source"] == "audit"
        return dict(message["event"])

    def now(self) -> dict[str, Any]:
        """A record that is there already."""
        self._receiver.setblocking(False)
        try:
            return self.next()
        finally:
            self._receiver.settimeout(10)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plane, socket.socket]]:
    """A control plane that reports to a socket."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(10)
    plane = Plane(tmp_path_factory.mktemp("audited"))
    plane.start_etcd()
    plane.start(evidence=its)
    plane.give_account("default")
    its.close()
    yield plane, ours
    plane.stop()
    ours.close()


@pytest.fixture
def plane_and_trail(audited: tuple[Plane, socket.socket]) -> tuple[Plane, Trail]:
    """The control plane with nothing left over to read."""
    plane, receiver = audited
    receiver.setblocking(False)
    try:
        while True:
            receiver.recv(1 << 17)
    except BlockingIOError:
        receiver.settimeout(10)
    return plane, Trail(receiver)


def _pods(plane: Plane, name: str = "") -> str:
    return f"/api/v1/namespaces/default/pods/{name}".rstrip("/")


def test_a_mirrors_life_is_recorded_as_on_a_real_node(plane_and_trail: tuple[Plane, Trail]) -> None:
    plane, trail = plane_and_trail
    node = plane.request("POST", "/api/v1/nodes", {"metadata": {"name": NODE}}, user="node")[1]
    trail.next()
    wanted = mirror("web", node["metadata"]["uid"])
    wanted["metadata"]["uid"] = wanted["metadata"]["annotations"]["kubernetes.io/config.hash"]

    created = plane.request("POST", _pods(plane), wanted, user="node", headers={"User-Agent": "kubelet/v1"})[
        1
    ]
    create = trail.now()
    plane.ok("delete", "pod", MIRROR_NAME, "--wait=false")
    delete = trail.now()

    assert list(create) == [
        *("kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "user", "sourceIPs"),
        *("userAgent", "objectRef", "responseStatus", "requestObject", "responseObject"),
        *("requestReceivedTimestamp", "stageTimestamp", "annotations"),
    ]
    assert (create["level"], create["stage"], create["verb"]) == (
        "RequestResponse",
        "ResponseComplete",
        "create",
    )
    assert create["user"]["username"] == f"system:node:{NODE}"
    assert create["user"]["groups"] == ["system:nodes", "system:authenticated"]
    assert create["user"]["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")
    assert create["objectRef"] == {
        "resource": "pods",
        "namespace": "default",
        "name": MIRROR_NAME,
        "uid": wanted["metadata"]["uid"],
        "apiVersion": "v1",
    }
    assert create["responseStatus"] == {"metadata": {}, "code": 201}
    assert create["requestObject"]["metadata"]["uid"] == wanted["metadata"]["uid"]
    assert create["responseObject"] == created
    assert create["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert create["requestReceivedTimestamp"] <= create["stageTimestamp"]
    assert delete["user"]["username"] == "kubernetes-admin"
    assert delete["userAgent"].startswith("kubectl/")
    assert delete["requestObject"] == {
        "kind": "DeleteOptions",
        "apiVersion": "meta.k8s.io/__internal",
        "propagationPolicy": "Background",
    }
    assert delete["responseObject"]["metadata"]["deletionGracePeriodSeconds"] == 1


def test_what_fails_is_recorded_with_its_reason(plane_and_trail: tuple[Plane, Trail]) -> None:
    plane, trail = plane_and_trail

    plane.request("DELETE", _pods(plane, "nope"))

    assert trail.now()["responseStatus"] == {
        "metadata": {},
        "status": "Failure",
        "message": 'pods "nope" not found',
        "reason": "NotFound",
        "details": {"name": "nope", "kind": "pods"},
        "code": 404,
    }


def test_what_is_forbidden_is_recorded(plane_and_trail: tuple[Plane, Trail]) -> None:
    plane, trail = plane_and_trail

    plane.request("DELETE", _pods(plane, "web"), user=None)

    event = trail.now()
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert event["user"]["username"] == "system:anonymous"


def test_secrets_are_recorded_without_what_is_in_them(plane_and_trail: tuple[Plane, Trail]) -> None:
    plane, trail = plane_and_trail

    plane.ok("create", "secret", "generic", "s", "--from-literal=a=very-secret")

    event = trail.now()
    assert event["level"] == "Metadata"
    assert "requestObject" not in event
    assert "responseObject" not in event


def test_reads_are_recorded_only_of_the_judge(plane_and_trail: tuple[Plane, Trail]) -> None:
    plane, trail = plane_and_trail

    plane.request("GET", "/api/v1/pods")
    plane.request("GET", "/api/v1/namespaces/default/configmaps/barrier-7", user="judge")

    assert trail.now()["objectRef"]["name"] == "barrier-7"
    with pytest.raises(BlockingIOError):
        trail.now()


def test_a_long_request_is_cut_and_says_so(plane_and_trail: tuple[Plane, Trail]) -> None:
    plane, trail = plane_and_trail
    long = pod("long")
    long["metadata"]["annotations"] = {"note": "x" * 200_000}

    assert plane.request("POST", _pods(plane), long)[0] == 201

    event = trail.now()
    assert event["annotations"]["audit.k8s.io/truncated"] == "true"
    assert "requestObject" not in event
    assert event["responseStatus"]["code"] == 201


def test_a_client_that_leaves_is_recorded_all_the_same(plane_and_trail: tuple[Plane, Trail]) -> None:
    plane, trail = plane_and_trail
    connection = plane.connection()
    body = json.dumps({"metadata": {"name": "left"}})

    connection.request(
        "POST", "/api/v1/namespaces/default/configmaps", body, {"Content-Type": "application/json"}
    )
    connection.close()

    assert trail.next()["objectRef"]["name"] == "left"


def test_however_long_a_request_makes_its_record_it_is_told_of(plane_and_trail: tuple[Plane, Trail]) -> None:
    plane, trail = plane_and_trail
    secrets, long = "/api/v1/namespaces/default/secrets", "x" * 300_000
    groups = {"Impersonate-User": "jane", "Impersonate-Extra-a": long[:8000]}

    made, _ = plane.request("POST", secrets, {"metadata": {"name": "long", "uid": long}})
    first = trail.next()
    refused, _ = plane.request("POST", secrets, {"metadata": {"name": "other", "labels": {long: "a"}}})
    second = trail.next()
    denied, _ = plane.request("DELETE", f"{secrets}/long?pretty={long[:7000]}", headers=groups)
    third = trail.next()

    assert (made, refused, denied) == (201, 422, 403)
    assert [each["responseStatus"]["code"] for each in (first, second, third)] == [201, 422, 403]
    assert (first["verb"], first["objectRef"]["name"]) == ("create", "long")
    assert first["user"]["username"] == "kubernetes-admin"
    assert first["annotations"]["audit.k8s.io/truncated"] == "true"
    assert len(second["responseStatus"]["message"]) < 300
    assert third["impersonatedUser"]["username"] == "jane"
    plane.ok("delete", "secret", "long")


def test_a_record_waits_for_a_supervisor_that_is_busy_as_the_runtimes_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    supervisor, runtime = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setenv("CKS_EVIDENCE_FD", str(os.dup(runtime.fileno())))

    async def scenario() -> bool:
        evidence = Evidence.from_environment()
        assert evidence is not None
        waiting = 0
        with suppress(BlockingIOError):
            while True:
                runtime.send(b"{}", socket.MSG_DONTWAIT)
                waiting += 1
        telling = asyncio.create_task(evidence.send({"verb": "create"}))
        await asyncio.wait([telling], timeout=0.1)
        was_waiting = not telling.done()
        for _ in range(waiting):
            supervisor.recv(1 << 17)
        await telling
        return was_waiting

    with supervisor, runtime:
        was_waiting = asyncio.run(asyncio.wait_for(scenario(), 30))

        assert was_waiting
        assert json.loads(supervisor.recv(1 << 17)) == {"source": "audit", "event": {"verb": "create"}}
        assert os.get_blocking(runtime.fileno())
