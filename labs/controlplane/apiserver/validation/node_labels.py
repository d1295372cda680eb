"""Labels of nodes that have other names today (`pkg/api/node/util.go`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labs.core import names

Object = dict[str, Any]
#: Since which version, and which.
_OLD_LABELS = {
    "beta.kubernetes.io/arch": ("1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/instance-type": ("1.17", "node.kubernetes.io/instance-type"),
    "beta.kubernetes.io/os": ("1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("1.17", "topology.kubernetes.io/zone"),
}


def old_label(key: str) -> str:
    """What to say of a label, "" of one that is not old."""
    if key not in _OLD_LABELS:
        return ""
    version, now = _OLD_LABELS[key]
    return f'deprecated since v{version}; use "{now}" instead'


def node_term_warnings(path: str, term: Object) -> Iterator[str]:
    """What a term of a node selector has that no node will, or not for long."""
    for index, requirement in enumerate(term.get("matchExpressions") or []):
        here, key = f"{path}.matchExpressions[{index}]", requirement.get("key", "")
        if why := old_label(key):
            yield f"{here}.key: {key} is {why}"
        for position, value in enumerate(requirement.get("values") or []):
            for fault in names.label_value_faults(value):
                yield f"{here}.values[{position}]: {value} is invalid, {fault}"
