"""Tables of any kind: columns, rows, and the object's metadata with each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..resources import Resource
from . import _pods, _records
from ._format import age

Object = dict[str, Any]
Cells = Callable[[Object], list[Any]]


@dataclass(frozen=True)
class Column:
    """A heading; those with a priority are shown with `-o wide` only."""

    name: str
    type: str = "string"
    priority: int = 0

    def definition(self) -> Object:
        """As it is sent."""
        form = "name" if self.name == "Name" else ""
        return {
            "name": self.name,
            "type": self.type,
            "format": form,
            "description": "",
            "priority": self.priority,
        }


def _columns(text: str, wide: str = "") -> tuple[Column, ...]:
    """Columns from their headings, `|` between them; `#` marks an integer."""

    def columns(headings: str, priority: int) -> list[Column]:
        return [
            Column(name.strip("#"), "integer" if name.startswith("#") else "string", priority)
            for name in headings.split("|")
            if name
        ]

    return (*columns(text, 0), *columns(wide, 1))


_KINDS: dict[tuple[str, str], tuple[tuple[Column, ...], Cells]] = {
    ("", "pods"): (
        _columns("Name|Ready|Status|Restarts|Age", "IP|Node|Nominated Node|Readiness Gates"),
        _pods.cells,
    ),
    ("", "nodes"): (
        _columns(
            "Name|Status|Roles|Age|Version",
            "Internal-IP|External-IP|OS-Image|Kernel-Version|Container-Runtime",
        ),
        _records.node,
    ),
    ("", "namespaces"): (_columns("Name|Status|Age"), _records.namespace),
    ("", "events"): (
        _columns("Last Seen|Type|Reason|Object", "Subobject|Source"),
        _records.event,
    ),
    ("", "configmaps"): (_columns("Name|#Data|Age"), _records.configmap),
    ("", "secrets"): (_columns("Name|Type|#Data|Age"), _records.secret),
    ("", "serviceaccounts"): (_columns("Name|Age"), _records.plain),
    ("", "services"): (
        _columns("Name|Type|Cluster-IP|External-IP|Port(s)|Age", "Selector"),
        _records.service,
    ),
    ("", "endpoints"): (_columns("Name|Endpoints|Age"), _records.endpoints),
    ("coordination.k8s.io", "leases"): (_columns("Name|Holder|Age"), _records.lease),
    ("scheduling.k8s.io", "priorityclasses"): (
        _columns("Name|#Value|Global-Default|Age|PreemptionPolicy"),
        _records.priority_class,
    ),
}
_EVENT_COLUMNS = (
    Column("Last Seen"),
    Column("Type"),
    Column("Reason"),
    Column("Object"),
    Column("Subobject", priority=1),
    Column("Source", priority=1),
    Column("Message"),
    Column("First Seen", priority=1),
    Column("Count", priority=1),
    Column("Name", priority=1),
)
_KINDS["", "events"] = _KINDS["events.k8s.io", "events"] = (_EVENT_COLUMNS, _records.event)
_PLAIN = (_columns("Name|Created At"), lambda obj: [obj["metadata"]["name"], age(obj)])


def table(
    resource: Resource, objects: Sequence[Object], include: str, metadata: Object, *, headings: bool = True
) -> Object:
    """Objects as a `meta.k8s.io/v1` Table; `include` says how much of each object goes along."""
    columns, cells = _KINDS.get((resource.group, resource.plural), _PLAIN)
    result: Object = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    result["columnDefinitions"] = [column.definition() for column in columns] if headings else None
    result["rows"] = [table_row(cells(obj), obj, include) for obj in objects]
    return result


def table_row(cells: list[Any], obj: Object, include: str) -> Object:
    """One row."""
    row: Object = {"cells": cells}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    return row
