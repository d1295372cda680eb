"""Sets of fields in the form `FieldsV1` has them: a tree of path elements, `{}` for a member without parts.

Elements are `f:NAME` for a field, `k:{"KEY":VALUE}` for a list's item by its keys, `v:VALUE` for one by its
value; `.` says that the element itself is a member beside its parts. Mirrors
`sigs.k8s.io/structured-merge-diff/fieldpath`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

FieldSet = dict[str, Any]
ITSELF = "."
_MEMBER: FieldSet = {ITSELF: {}}


def is_set(value: Any) -> bool:
    """Whether what a client sent is such a tree."""
    return isinstance(value, dict) and all(
        (element == ITSELF or _is_element(element)) and is_set(node) for element, node in value.items()
    )


def _is_element(text: str) -> bool:
    kind, colon, rest = text.partition(":")
    if not colon or kind not in ("f", "v", "k", "i"):
        return False
    try:
        return kind != "k" or isinstance(json.loads(rest), dict)
    except ValueError:
        return False


def opened(node: FieldSet) -> FieldSet:
    """A node with its membership written out."""
    return node or _MEMBER


def closed(node: FieldSet) -> FieldSet:
    """A node as it is stored: a mere member is empty."""
    return {} if node == _MEMBER else node


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in either."""
    result = dict(left)
    for element, node in right.items():
        if element in result and element != ITSELF:
            result[element] = closed(union(opened(result[element]), opened(node)))
        else:
            result[element] = node
    return result


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in `left` only; parts of what is taken away stay."""
    result: FieldSet = {}
    for element, node in left.items():
        if element not in right:
            result[element] = node
        elif element != ITSELF:
            rest = difference(opened(node), opened(right[element]))
            if rest:
                result[element] = closed(rest)
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in both."""
    result: FieldSet = {}
    for element, node in left.items():
        if element not in right:
            continue
        if element == ITSELF:
            result[element] = node
            continue
        both = intersection(opened(node), opened(right[element]))
        if both:
            result[element] = closed(both)
    return result


def paths(node: FieldSet, prefix: str = "") -> Iterator[str]:
    """The members as people read them: `.spec.containers[name="web"].image`, in order."""
    for element in sorted(node):
        if element == ITSELF:
            yield prefix
            continue
        here = prefix + spelled(element)
        if node[element]:
            yield from paths(node[element], here)
        else:
            yield here


def spelled(element: str) -> str:
    """An element as people read it."""
    kind, _, text = element.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "k":
        keys = json.loads(text)
        return "[" + ",".join(f"{key}={json.dumps(keys[key])}" for key in sorted(keys)) + "]"
    return f"[={text}]" if kind == "v" else f"[{text}]"
