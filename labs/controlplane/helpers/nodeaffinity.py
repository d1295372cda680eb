"""Whether a pod's node selector and required node affinity let it onto a node.

Mirrors `component-helpers/scheduling/corev1/nodeaffinity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def admits(spec: Object, node: Object) -> bool:
    """Whether the pod spec's `nodeSelector` and `affinity.nodeAffinity` select the node."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(name) != value for name, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(_selects(term, labels, fields) for term in required["nodeSelectorTerms"])


def prefers(preference: Object, node: Object) -> bool:
    """Whether one term, such as the `preference` of a preferred rule, selects the node."""
    fields = {"metadata.name": node["metadata"]["name"]}
    return _selects(preference, node["metadata"].get("labels") or {}, fields)


def _selects(term: Object, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    expressions, names = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not names:
        return False
    return all(_holds(e, labels) for e in expressions) and all(_holds(e, fields) for e in names)


def _holds(requirement: Object, labels: Mapping[str, str]) -> bool:
    key, values = requirement["key"], requirement.get("values") or []
    found = labels.get(key)
    match requirement["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt" as order:
            try:
                here, there = int(found or ""), int(values[0])
            except (ValueError, IndexError):
                return False
            return here > there if order == "Gt" else here < there
    return False
