"""How a pod's spec differs from what it was, as the real server shows it: its own structures, line by line.

`internal.jsonl` has the fields of `pkg/apis/core` in Go's order, each with its name in JSON and what stands
where it is not given. They were read off the differences that a real server showed.
"""

from __future__ import annotations

import json
from difflib import unified_diff
from typing import Any

from labs.controlplane import schemas

Object = dict[str, Any]
_CORE = "#io.k8s.api.core.v1."
#: What the server has in its securityContext and JSON in the spec.
_MOVED = ("hostIPC", "hostNetwork", "hostPID", "hostUsers", "shareProcessNamespace")
#: Go writes these so in any JSON.
_ESCAPES = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"}


def spec_diff(old: Object, new: Object) -> str:
    """The lines that differ with three around them, as `diff -u` has them."""
    before, after = (_lines(spec) for spec in (old, new))
    return "\n".join([*list(unified_diff(before, after, lineterm=""))[2:], ""])


def go_value(value: Any, kind: str) -> Any:
    """A value of one of the core group's types as Go shows it: all fields, in order."""
    return _go(value, _CORE + kind)


def _lines(spec: Object) -> list[str]:
    security = {**(spec.get("securityContext") or {}), **{f: spec[f] for f in _MOVED if f in spec}}
    text = json.dumps(
        go_value({**spec, "securityContext": security}, "PodSpec"), indent=1, ensure_ascii=False
    )
    for character, escaped in _ESCAPES.items():
        text = text.replace(character, escaped)
    return text.splitlines()


def _go(value: Any, kind: Any) -> Any:
    """A value as Go's structures have it; `kind` is its type in the schema."""
    if isinstance(kind, dict):
        if "list" in kind and isinstance(value, list):
            return [_go(item, kind["list"]) for item in value]
        return dict(sorted(value.items())) if "map" in kind and isinstance(value, dict) else value
    name = kind.removeprefix("#")
    if not isinstance(value, dict) or name not in schemas.names("internal.jsonl"):
        return value
    kinds = schemas.definition("structure.jsonl", name)["fields"]
    shown = {}
    for field, json_name, absent in schemas.definition("internal.jsonl", name)["fields"]:
        below = kinds.get(json_name, "")
        if json_name in value:
            shown[field] = _go(value[json_name], below)
        else:
            shown[field] = _go({}, below) if absent == {} else absent
    return shown
