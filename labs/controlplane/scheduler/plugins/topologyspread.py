"""Pods spread evenly over zones, nodes and the like (`plugins/podtopologyspread`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from labs.controlplane.helpers import nodeaffinity, taints
from labs.core.selectors import selects

from ..nodeinfo import NodeInfo, PodInfo, Snapshot
from .framework import Judge, Rejection

Object = dict[str, Any]
_NAME = "PodTopologySpread"
_REASON = "node(s) didn't match pod topology spread constraints"
_SKEWED = Rejection(_NAME, (_REASON,))
_NO_LABEL = Rejection(_NAME, (f"{_REASON} (missing required label)",), unresolvable=True)


def constraints(pod: PodInfo, action: str) -> list[Object]:
    """The constraints of the pod with this `whenUnsatisfiable`."""
    found: list[Object] = pod.spec.get("topologySpreadConstraints") or []
    return [each for each in found if each.get("whenUnsatisfiable", "DoNotSchedule") == action]


def prepare(pod: PodInfo, snapshot: Snapshot) -> Judge | None:
    """Count the matching pods in each domain of each constraint that must hold."""
    required = constraints(pod, "DoNotSchedule")
    if not required:
        return None
    counts = [domain_counts(each, pod, snapshot, required) for each in required]
    own = [selects(selector_of(each, pod), pod.labels) for each in required]

    def judge(info: NodeInfo) -> Rejection | None:
        for each, count, itself in zip(required, counts, own, strict=True):
            domain = info.labels.get(each["topologyKey"])
            if domain is None:
                return _NO_LABEL
            least = min(count.values(), default=0)
            if len(count) < int(each.get("minDomains") or 1):
                least = 0
            if count.get(domain, 0) + int(itself) - least > int(each["maxSkew"]):
                return _SKEWED
        return None

    return judge


def domain_counts(
    constraint: Object, pod: PodInfo, snapshot: Snapshot, together: list[Object]
) -> Counter[str]:
    """How many matching pods there are in each domain that the pod may be in."""
    count: Counter[str] = Counter()
    selector = selector_of(constraint, pod)
    for info in snapshot.nodes.values():
        if any(each["topologyKey"] not in info.labels for each in together):
            continue
        if not _counts(constraint, pod, info):
            continue
        count[info.labels[constraint["topologyKey"]]] += sum(
            other.namespace == pod.namespace
            and "deletionTimestamp" not in other.pod["metadata"]
            and selects(selector, other.labels)
            for other in info.pods.values()
        )
    return count


def selector_of(constraint: Object, pod: PodInfo) -> Object | None:
    """The label selector, narrowed to what `matchLabelKeys` name of the pod's labels."""
    selector: Object | None = constraint.get("labelSelector")
    keys = [key for key in constraint.get("matchLabelKeys") or () if key in pod.labels]
    if selector is None or not keys:
        return selector
    extra: dict[str, list[Object]] = defaultdict(list)
    extra["matchExpressions"] = [*(selector.get("matchExpressions") or ())]
    extra["matchExpressions"] += [{"key": key, "operator": "In", "values": [pod.labels[key]]} for key in keys]
    return {**selector, **extra}


def _counts(constraint: Object, pod: PodInfo, info: NodeInfo) -> bool:
    """Whether the policies of the constraint have this node counted."""
    if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not nodeaffinity.admits(
        pod.spec, info.node
    ):
        return False
    if constraint.get("nodeTaintsPolicy", "Ignore") == "Honor":
        return not taints.untolerated(info.taints, pod.tolerations, ("NoSchedule", "NoExecute"))
    return True
