"""What has another name today, or no longer works: labels of nodes and kinds of volumes.

Mirrors `pkg/api/node/util.go`, and what `pkg/api/{pod,persistentvolume}` have of volumes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
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
#: What Go calls it, and what became of it.
_OLD_VOLUMES = {
    "photonPersistentDisk": ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    "gitRepo": ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    "scaleIO": ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    "flocker": ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    "storageos": ("storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    "quobyte": ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    "glusterfs": ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    "cephfs": ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    "rbd": ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
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


def volume_kind_warnings(path: str, volume: Object, untold: Collection[str] = ()) -> Iterator[str]:
    """What has become of a volume's kind, a pod's or a persistent one's, unless it is `untold`."""
    for kind, (shown, why) in _OLD_VOLUMES.items():
        if kind in volume and kind not in untold:
            yield f"{path}.{shown}: {why}"
