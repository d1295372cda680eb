"""Where a recorder goes on, read off the evidence."""

from __future__ import annotations

from typing import Any

from labs.nodes.kind.resume import point

NODE = "cks-control-plane"


def runtime(event: str, id: str) -> dict[str, Any]:
    return {"node": NODE, "source": "runtime", "event": event, "id": id}


def test_of_a_new_cluster_nothing_is_known() -> None:
    assert point([], NODE) == {"audit": None, "journal": None, "file": {}, "runtime": []}


def test_the_last_audit_event_and_the_last_entry_of_the_journal_count() -> None:
    records = [
        {"node": NODE, "source": "audit", "event": {"auditID": "a1"}},
        {"node": NODE, "source": "journal", "cursor": "s=1;i=1;"},
        {"node": NODE, "source": "audit", "event": {"auditID": "a2"}},
        {"node": NODE, "source": "journal", "cursor": "s=1;i=2;"},
        {"node": NODE, "source": "lab", "event": "check"},
    ]

    seen = point(records, NODE)

    assert (seen["audit"], seen["journal"]) == ("a2", "s=1;i=2;")


def test_manifests_that_are_there_are_known_by_their_digests() -> None:
    records = [
        {"node": NODE, "source": "file", "path": "/m/a.yaml", "event": "written", "sha256": "1"},
        {"node": NODE, "source": "file", "path": "/m/b.yaml", "event": "written", "sha256": "2"},
        {"node": NODE, "source": "file", "path": "/m/a.yaml", "event": "written", "sha256": "3"},
        {"node": NODE, "source": "file", "path": "/m/b.yaml", "event": "removed", "sha256": None},
    ]

    assert point(records, NODE)["file"] == {"/m/a.yaml": "3"}


def test_of_sandboxes_and_containers_that_may_be_there_the_last_record_is_known() -> None:
    records = [
        runtime("SandboxCreated", "s1"),
        runtime("ContainerCreated", "c1"),
        runtime("ContainerStarted", "c1"),
        runtime("ContainerCreated", "c2"),
        runtime("ContainerRemoved", "c2"),
        {"node": NODE, "source": "runtime", "event": "RuntimeStarted"},
    ]

    assert point(records, NODE)["runtime"] == [
        runtime("SandboxCreated", "s1"),
        runtime("ContainerStarted", "c1"),
    ]


def test_what_other_nodes_told_is_not_of_this_one() -> None:
    records = [
        {"node": NODE, "source": "journal", "cursor": "s=1;i=1;"},
        {"node": "cks-worker", "source": "journal", "cursor": "s=2;i=9;"},
        {"node": "cks-worker", "source": "file", "path": "/m/a.yaml", "event": "written", "sha256": "1"},
    ]

    seen = point(records, NODE)

    assert (seen["journal"], seen["file"]) == ("s=1;i=1;", {})
