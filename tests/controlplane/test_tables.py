"""What `kubectl get` prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labs.controlplane.apiserver.meta import stamp
from labs.controlplane.apiserver.tables._format import duration
from labs.controlplane.apiserver.tables._pods import cells

from .plane import Plane


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (5, "5s"), (119, "119s"), (120, "2m"), (362, "6m2s"), (599, "9m59s"), (600, "10m"),
        (2340, "39m"), (10799, "179m"), (10800, "3h"), (18600, "5h10m"), (28800, "8h"), (172799, "47h"),
        (172800, "2d"), (183600, "2d3h"), (691200, "8d"), (63071999, "729d"),
        (63072000, "2y"), (-5, "<invalid>"),
    ],
)  # fmt: skip
def test_ages_read_as_kubernetes_has_them(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def _pod(status: dict[str, Any], **more: Any) -> dict[str, Any]:
    created = stamp(datetime.now(UTC))
    metadata = {"name": "web", "creationTimestamp": created, **more}
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "main"}], "nodeName": "n"},
        "status": status,
    }


def _container(ready: bool = False, restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"name": "main", "ready": ready, "restartCount": restarts, "state": state, "lastState": {}}


def _running(container: dict[str, Any]) -> dict[str, Any]:
    return {"phase": "Running", "containerStatuses": [container]}


RUNNING = {"running": {"startedAt": "2026-11-23T17:55:13Z"}}


@pytest.mark.parametrize(
    ("status", "ready", "word", "restarts"),
    [
        ({"phase": "Pending"}, "0/1", "Pending", "0"),
        ({"phase": "Running", "containerStatuses": [_container(True, **RUNNING)]}, "1/1", "Running", "0"),
        (
            {"phase": "Pending", "containerStatuses": [_container(waiting={"reason": "ContainerCreating"})]},
            "0/1", "ContainerCreating", "0",
        ),
        (
            _running(_container(False, 3, waiting={"reason": "CrashLoopBackOff"})),
            "0/1", "CrashLoopBackOff", "3",
        ),
        (
            _running(_container(terminated={"reason": "Error", "exitCode": 1})),
            "0/1", "Error", "0",
        ),
        (
            {"phase": "Failed", "containerStatuses": [_container(terminated={"exitCode": 137})]},
            "0/1", "ExitCode:137", "0",
        ),
        ({"phase": "Failed", "reason": "Evicted"}, "0/1", "Evicted", "0"),
        (
            {"phase": "Pending", "initContainerStatuses": [_container(**RUNNING)]},
            "0/1", "Init:0/0", "0",
        ),
    ],
)  # fmt: skip
def test_a_pod_is_told_in_one_word(status: dict[str, Any], ready: str, word: str, restarts: str) -> None:
    row = cells(_pod(status))

    assert row[1:4] == [ready, word, restarts]


def test_a_pod_that_goes_is_terminating() -> None:
    row = cells(_pod({"phase": "Running"}, deletionTimestamp="2026-11-23T17:55:25Z"))

    assert row[2] == "Terminating"


def test_restarts_tell_when_the_last_one_was() -> None:
    container = _container(True, 4, **RUNNING)
    finished = datetime.now(UTC) - timedelta(seconds=362)
    container["lastState"] = {"terminated": {"finishedAt": stamp(finished)}}

    row = cells(_pod({"phase": "Running", "containerStatuses": [container]}))

    assert row[3] in ("4 (6m2s ago)", "4 (6m3s ago)")


@pytest.mark.parametrize(
    ("arguments", "headings"),
    [
        (("pods", "-A"), "NAMESPACE|NAME|READY|STATUS|RESTARTS|AGE"),
        (
            ("pods", "-A", "-o", "wide"),
            "NAMESPACE|NAME|READY|STATUS|RESTARTS|AGE|IP|NODE|NOMINATED NODE|READINESS GATES",
        ),
        (("nodes",), "NAME|STATUS|ROLES|AGE|VERSION"),
        (
            ("nodes", "-o", "wide"),
            "NAME|STATUS|ROLES|AGE|VERSION|INTERNAL-IP|EXTERNAL-IP|OS-IMAGE|KERNEL-VERSION|CONTAINER-RUNTIME",
        ),
        (("namespaces",), "NAME|STATUS|AGE"),
        (("services", "-A"), "NAMESPACE|NAME|TYPE|CLUSTER-IP|EXTERNAL-IP|PORT(S)|AGE"),
        (("endpoints", "-A"), "NAMESPACE|NAME|ENDPOINTS|AGE"),
        (("configmaps", "-n", "default"), "NAME|DATA|AGE"),
        (("secrets", "-n", "default"), "NAME|TYPE|DATA|AGE"),
        (("serviceaccounts", "-n", "default"), "NAME|AGE"),
        (("leases", "-n", "default"), "NAME|HOLDER|AGE"),
        (("events", "-n", "default"), "LAST SEEN|TYPE|REASON|OBJECT|MESSAGE"),
        (
            ("events", "-n", "default", "-o", "wide"),
            "LAST SEEN|TYPE|REASON|OBJECT|SUBOBJECT|SOURCE|MESSAGE|FIRST SEEN|COUNT|NAME",
        ),
        (("priorityclasses",), "NAME|VALUE|GLOBAL-DEFAULT|AGE|PREEMPTIONPOLICY"),
    ],
)
def test_the_columns_are_the_real_ones(
    plane: Plane, node_uid: str, arguments: tuple[str, ...], headings: str
) -> None:
    assert node_uid
    names = {
        "pods": "web",
        "configmaps": "c",
        "secrets": "s",
        "serviceaccounts": "sa",
        "leases": "l",
        "events": "e",
    }
    kind = arguments[0]
    group = "apis/coordination.k8s.io/v1" if kind == "leases" else "api/v1"
    if kind in names:
        obj: dict[str, Any] = {"metadata": {"name": names[kind]}}
        if kind == "pods":
            obj["spec"] = {"containers": [{"name": "main", "image": "busybox:1.36"}]}
        if kind == "events":
            obj["involvedObject"] = {"namespace": "default", "kind": "Pod", "name": "web"}
        plane.request("POST", f"/{group}/namespaces/default/{kind}", obj)

    first = plane.ok("get", *arguments).splitlines()[0]

    assert (
        "|".join(part.strip() for part in first.split("   ") if part.strip()).replace("| ", "|") == headings
    )
