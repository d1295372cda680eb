"""Who manages which fields: kept up to date with every write, judged by when something is applied.

Mirrors `k8s.io/apimachinery/pkg/util/managedfields` and structured-merge-diff's `merge.Updater`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import meta, status
from ..resources import Resource
from . import _sets, _typed
from ._sets import FieldSet

Object = dict[str, Any]
APPLY, UPDATE = "Apply", "Update"
#: Updaters beyond this many are remembered together, the oldest ones.
UPDATERS_LIMIT = 10
ANCIENT, BEFORE_APPLY = "ancient-changes", "before-first-apply"
#: What every object has, and nobody manages.
_UNMANAGED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        f"f:{name}": {}
        for name in (
            *("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields"),
            *("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName"),
        )
    },
}


@dataclass(frozen=True)
class Manager:
    """Who writes, and how."""

    name: str
    operation: str
    version: str
    subresource: str = ""


@dataclass(frozen=True)
class Entry:
    """What a manager manages, since when."""

    manager: Manager
    fields: FieldSet = field(hash=False)
    time: str = ""


def updated(resource: Resource, live: Object | None, new: Object, manager: Manager) -> list[Object]:
    """`managedFields` after a write that is no apply."""
    entries = _entries(new if _tells(new) else live)
    if live is not None and _is_reset(new):
        return []
    compared = _compare(resource, live or resource.strategy.blank, new, manager.subresource)
    touched = _sets.union(compared.added, compared.modified)
    if not touched and not compared.removed:
        return _encoded(entries)
    entries = [_after(entry, touched, compared.removed) for entry in entries if entry.manager != manager]
    mine = next((e.fields for e in _entries(new if _tells(new) else live) if e.manager == manager), {})
    fields = _sets.union(_sets.difference(mine, compared.removed), touched)
    return _encoded(_capped([*entries, Entry(manager, fields, meta.now())]))


def applied(
    resource: Resource, live: Object | None, config: Object, manager: Manager, *, force: bool
) -> Object:
    """The object with a configuration applied. Raises a 409 where others manage what it would change."""
    kind = "#" + resource.schema
    current = live or {}
    entries = _entries(live)
    if live is not None and not entries:
        first = Manager(BEFORE_APPLY, UPDATE, manager.version)
        entries = [Entry(first, _managed(resource, _typed.compare(kind, {}, current).added, ""), meta.now())]
    wanted = _managed(resource, _typed.field_set(kind, config), manager.subresource)
    merged = _typed.merge(kind, current, config)
    before = next((entry for entry in entries if entry.manager == manager), None)
    others = [entry for entry in entries if entry.manager != manager]
    if before is not None:
        merged = _pruned(kind, merged, before.fields, [wanted, *(entry.fields for entry in others)])
    compared = _compare(resource, current, merged, manager.subresource)
    touched = _sets.union(compared.added, compared.modified)
    conflicts = [(e.manager, shared) for e in others if (shared := _sets.intersection(e.fields, touched))]
    if conflicts and not force:
        raise _conflict(conflicts)
    others = [_after(entry, touched, compared.removed) for entry in others]
    since = before.time if before is not None and before.fields == wanted else meta.now()
    merged.setdefault("metadata", {})["managedFields"] = _encoded([*others, Entry(manager, wanted, since)])
    return merged  # type: ignore[no-any-return]


def _pruned(kind: str, merged: Object, before: FieldSet, managed: Sequence[FieldSet]) -> Any:
    """Without what the manager applied before, applies no more, and nobody else manages."""
    gone = before
    for fields in managed:
        gone = _sets.difference(gone, _with_owners(fields))
    rest = _typed.remove(kind, merged, gone)
    return {} if _typed.is_gone(rest) else rest


def _with_owners(fields: FieldSet) -> FieldSet:
    """A set in which what has members is a member itself."""
    result: FieldSet = {}
    for element, node in fields.items():
        if element == _sets.ITSELF:
            result[element] = node
        else:
            result[element] = _sets.closed({_sets.ITSELF: {}, **_with_owners(node)})
    return result


def _compare(resource: Resource, old: Object, new: Object, subresource: str) -> _typed.Comparison:
    found = _typed.compare("#" + resource.schema, old, new)
    return _typed.Comparison(
        *(_managed(resource, part, subresource) for part in (found.added, found.modified, found.removed))
    )


def _managed(resource: Resource, fields: FieldSet, subresource: str) -> FieldSet:
    """Without what nobody manages and what this subresource cannot write."""
    rest = _sets.difference(fields, _UNMANAGED)
    if subresource == "status":
        allowed = ("f:status", "f:metadata")
        return {element: node for element, node in rest.items() if element in allowed}
    if resource.strategy.has_status:
        rest.pop("f:status", None)
    rest.pop(_sets.ITSELF, None)
    return rest


def _after(entry: Entry, touched: FieldSet, removed: FieldSet) -> Entry:
    """What a manager still manages when another has written."""
    return replace(entry, fields=_sets.difference(_sets.difference(entry.fields, touched), removed))


def _capped(entries: list[Entry]) -> list[Entry]:
    updaters = sorted((e for e in entries if e.manager.operation == UPDATE), key=lambda e: e.time)
    surplus = len([e for e in updaters if e.fields]) - UPDATERS_LIMIT
    if surplus <= 0:
        return entries
    fields: FieldSet = {}
    for old in updaters[: surplus + 1]:
        fields = _sets.union(fields, old.fields)
    oldest = updaters[: surplus + 1]
    manager = Manager(ANCIENT, UPDATE, oldest[-1].manager.version)
    return [*(e for e in entries if e not in oldest), Entry(manager, fields, oldest[-1].time)]


def _tells(obj: Object | None) -> bool:
    """Whether an object says who manages what, in a form that can be read."""
    entries: list[Object] = ((obj.get("metadata") or {}).get("managedFields") if obj else None) or []
    return bool(entries) and all(_sets.is_set(entry.get("fieldsV1") or {}) for entry in entries if entry)


def _is_reset(new: Object) -> bool:
    """A client that sends one empty entry wants them all gone."""
    return bool(new["metadata"].get("managedFields") == [{}])


def _entries(obj: Object | None) -> list[Entry]:
    found = (obj["metadata"].get("managedFields") or []) if obj else []
    return [
        Entry(
            Manager(
                entry.get("manager", ""),
                entry.get("operation", ""),
                entry.get("apiVersion", ""),
                entry.get("subresource", ""),
            ),
            entry.get("fieldsV1") or {},
            entry.get("time", ""),
        )
        for entry in found
        if entry
    ]


def _encoded(entries: Iterable[Entry]) -> list[Object]:
    """As they are stored: what manages nothing is forgotten; appliers first, then by age."""
    kept = [entry for entry in entries if entry.fields]
    kept.sort(key=lambda e: (e.manager.operation, e.time, e.manager.name, e.manager.version))
    return [
        {
            "manager": entry.manager.name,
            "operation": entry.manager.operation,
            "apiVersion": entry.manager.version,
            "time": entry.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": entry.fields,
            **({"subresource": entry.manager.subresource} if entry.manager.subresource else {}),
        }
        for entry in kept
    ]


def _conflict(conflicts: Sequence[tuple[Manager, FieldSet]]) -> status.APIError:
    found = [(_named(manager), path) for manager, fields in conflicts for path in _sets.paths(fields)]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {name}", "field": path}
        for name, path in found
    ]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines = []
        for name in sorted({name for name, _ in found}):
            lines += [f"conflicts with {name}:", *(f"- {path}" for other, path in found if other == name)]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return status.APIError(409, "Conflict", message, {"causes": causes})


def _named(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    return f"{text} using {manager.version}" if manager.operation == UPDATE else text
