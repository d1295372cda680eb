"""Where the recorder of a kind node goes on: what the evidence already holds of each of its sources."""

from collections.abc import Iterable, Mapping
from typing import Any

from labs.nodes.evidence import Record

#: After these there is nothing more to tell of the sandbox or container.
_LAST = ("SandboxRemoved", "ContainerRemoved")


def point(records: Iterable[Record], node: str) -> Mapping[str, Any]:
    """The first order to the recorder (`labs.nodes.kind.recorder`) of `node`, from all of the evidence."""
    audit: str | None = None
    journal: str | None = None
    manifests: dict[str, str | None] = {}
    things: dict[str, Record] = {}
    for record in records:
        if record["node"] != node:
            continue
        match record:
            case {"source": "audit", "event": {"auditID": str(last)}}:
                audit = last
            case {"source": "journal", "cursor": str(cursor)}:
                journal = cursor
            case {"source": "file", "path": str(path), "event": "removed"}:
                manifests.pop(path, None)
            case {"source": "file", "path": str(path), "sha256": digest}:
                manifests[path] = digest
            case {"source": "runtime", "id": str(id), "event": event} if event in _LAST:
                things.pop(id, None)
            case {"source": "runtime", "id": str(id)}:
                things[id] = record
    return {"audit": audit, "journal": journal, "file": manifests, "runtime": list(things.values())}
