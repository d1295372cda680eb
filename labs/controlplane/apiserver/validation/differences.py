"""Objects as the real server's own structures have them, and how they differ, line by line.

`internal.jsonl` has the fields of `pkg/apis/core` in Go's order, each with its name in JSON and what stands
where it is not given. They were read off the differences that a real server showed. Of a persistent volume's
spec it has the sources only.
"""

from __future__ import annotations

from difflib import unified_diff
from typing import Any

from labs.controlplane import schemas
from labs.golang import gojson

Object = dict[str, Any]
_CORE = "#io.k8s.api.core.v1."
#: What the server has in a pod's securityContext and JSON in the spec.
_MOVED = ("hostIPC", "hostNetwork", "hostPID", "hostUsers", "shareProcessNamespace")
#: Of metadata, what a template may have, in Go's order.
_METADATA = ("name", "generateName", "namespace", "labels", "annotations", "ownerReferences", "finalizers")


def difference(old: Object, new: Object, kind: str) -> str:
    """The lines in which two of a type differ with three around them, as `diff -u` has them."""
    before, after = (_lines(go_value(each, kind)) for each in (old, new))
    return "\n".join([*list(unified_diff(before, after, lineterm=""))[2:], ""])


def go_value(value: Any, kind: str) -> Any:
    """A value of one of the core group's types as Go shows it: all fields, in order."""
    return _go(value, _CORE + kind)


def go_template(template: Object) -> Object:
    """A pod's template, whose metadata is part of the structure itself."""
    metadata = template.get("metadata") or {}
    shown = {part: metadata[part] for part in _METADATA if metadata.get(part)}
    return {**shown, "Spec": go_value(template.get("spec") or {}, "PodSpec")}


def _lines(value: Any) -> list[str]:
    return gojson.indented(value, 1).splitlines()


def _go(value: Any, kind: Any) -> Any:
    """A value as Go's structures have it; `kind` is its type in the schema."""
    if isinstance(kind, dict):
        if "list" in kind and isinstance(value, list):
            return [_go(item, kind["list"]) for item in value]
        return dict(sorted(value.items())) if "map" in kind and isinstance(value, dict) else value
    name = kind.removeprefix("#")
    if not isinstance(value, dict) or name not in schemas.names("internal.jsonl"):
        return value
    if kind == f"{_CORE}PodSpec":
        moved = {field: value[field] for field in _MOVED if field in value}
        value = {**value, "securityContext": {**(value.get("securityContext") or {}), **moved}}
    kinds = schemas.definition("structure.jsonl", name)["fields"]
    shown = {}
    for field, json_name, absent in schemas.definition("internal.jsonl", name)["fields"]:
        below = kinds.get(json_name, "")
        if json_name in value:
            shown[field] = _go(value[json_name], below)
        else:
            shown[field] = _go({}, below) if absent == {} else absent
    return shown
