"""Watching: every change once, in order, from where the client says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .plane import Plane, pod

NODE_BOUND = {"nodeName": "somewhere", "terminationGracePeriodSeconds": 1}


@contextmanager
def watching(plane: Plane, path: str, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a watch, one by one."""
    connection = plane.connection()
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        yield (json.loads(line) for line in iter(response.readline, b""))
    finally:
        connection.close()


def summary(event: dict[str, Any]) -> tuple[str, int, int | None]:
    """What matters of a pod's event."""
    metadata = event["object"]["metadata"]
    return event["type"], metadata["generation"], metadata.get("deletionGracePeriodSeconds")


def test_a_deletion_is_seen_in_the_recorded_steps(plane: Plane, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    version = plane.request("GET", pods)[1]["metadata"]["resourceVersion"]
    with watching(plane, f"{pods}?watch=true&resourceVersion={version}") as events:
        plane.request("POST", pods, pod("web", namespace, **NODE_BOUND))
        plane.request("DELETE", f"{pods}/web")
        plane.request("DELETE", f"{pods}/web?gracePeriodSeconds=0")

        seen = [next(events) for _ in range(4)]

    assert [summary(event) for event in seen] == [
        ("ADDED", 1, None),
        ("MODIFIED", 2, 1),
        ("MODIFIED", 2, 0),
        ("DELETED", 2, 0),
    ]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))


def test_a_watch_without_a_version_begins_with_what_is_there(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", path, {"metadata": {"name": "app"}})

    with watching(plane, f"{path}?watch=true") as events:
        first = next(events)

    assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "app")


def test_initial_events_end_with_a_bookmark(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", path, {"metadata": {"name": "app"}})
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

    with watching(plane, f"{path}?{query}") as events:
        first, second = next(events), next(events)

    assert (first["type"], second["type"]) == ("ADDED", "BOOKMARK")
    assert second["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(second["object"]["metadata"]["resourceVersion"]) >= int(
        first["object"]["metadata"]["resourceVersion"]
    )


def test_what_leaves_a_selection_is_seen_as_deleted_and_what_enters_as_added(
    plane: Plane, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    version = plane.request("GET", path)[1]["metadata"]["resourceVersion"]
    merge = {"Content-Type": "application/merge-patch+json"}
    with watching(plane, f"{path}?watch=true&resourceVersion={version}&labelSelector=app%3Dweb") as events:
        plane.request("POST", path, {"metadata": {"name": "a"}})
        plane.request("PATCH", f"{path}/a", {"metadata": {"labels": {"app": "web"}}}, headers=merge)
        plane.request("PATCH", f"{path}/a", {"data": {"x": "y"}}, headers=merge)
        plane.request("PATCH", f"{path}/a", {"metadata": {"labels": None}}, headers=merge)

        kinds = [next(events)["type"] for _ in range(3)]

    assert kinds == ["ADDED", "MODIFIED", "DELETED"]


def test_a_forgotten_version_is_gone(own_plane: Plane) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    for name in ("a", "b", "c"):
        own_plane.request("POST", path, {"metadata": {"name": name}})
    now = own_plane.request("GET", path)[1]["metadata"]["resourceVersion"]
    own_plane.kill()
    own_plane.etcdctl("compact", now)
    own_plane.start()

    status, answer = own_plane.request("GET", f"{path}?watch=true&resourceVersion=2")

    assert (status, answer["reason"]) == (410, "Expired")
    assert answer["message"] == f"too old resource version: 2 ({now})"


def test_a_watch_ends_after_the_time_it_asks_for(plane: Plane, namespace: str) -> None:
    with watching(plane, f"/api/v1/namespaces/{namespace}/pods?watch=true&timeoutSeconds=1") as events:
        assert list(events) == []


def test_a_version_that_is_no_number_is_refused(plane: Plane) -> None:
    status, answer = plane.request("GET", "/api/v1/pods?watch=true&resourceVersion=now")

    assert (status, answer["reason"]) == (400, "BadRequest")


def test_tables_tell_their_columns_once(plane: Plane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b"):
        plane.request("POST", path, {"metadata": {"name": name}})

    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    with watching(plane, f"{path}?watch=true", Accept=accept) as events:
        first, second = next(events), next(events)

    names = [column["name"] for column in first["object"]["columnDefinitions"]]
    assert names == ["Name", "Data", "Age"]
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"][:2] == ["b", 0]


def test_kubectl_sees_changes_as_they_happen(plane: Plane, namespace: str) -> None:
    with plane.kubectl_running("-n", namespace, "get", "pods", "-w", "--output-watch-events") as process:
        assert process.stdout is not None
        plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("web", namespace, **NODE_BOUND))
        header, added = process.stdout.readline(), process.stdout.readline()
        plane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/web")
        changed = process.stdout.readline()

    assert header.split() == ["EVENT", "NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert added.split()[:4] == ["ADDED", "web", "0/1", "Pending"]
    assert changed.split()[:4] == ["MODIFIED", "web", "0/1", "Terminating"]
