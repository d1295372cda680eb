"""Pods that want to be near other pods, or far from them (`plugins/interpodaffinity`), required rules."""

from __future__ import annotations

from collections import Counter
from typing import Any

from labs.core.selectors import selects

from ..nodeinfo import NodeInfo, PodInfo, Snapshot
from .framework import Judge, Rejection

Object = dict[str, Any]
#: (topology key, value) of a domain.
Domain = tuple[str, str]
_NAME = "InterPodAffinity"
_AFFINITY = Rejection(_NAME, ("node(s) didn't match pod affinity rules",), unresolvable=True)
_ANTI_AFFINITY = Rejection(_NAME, ("node(s) didn't match pod anti-affinity rules",))
_EXISTING = Rejection(_NAME, ("node(s) didn't satisfy existing pods anti-affinity rules",))


def prepare(pod: PodInfo, snapshot: Snapshot) -> Judge | None:
    """Count the domains where other pods matter to this one."""
    near, far = pod.terms("podAffinity", "required"), pod.terms("podAntiAffinity", "required")
    matching: Counter[Domain] = Counter()
    avoided: Counter[Domain] = Counter()
    closed: Counter[Domain] = Counter()
    for info in snapshot.nodes.values():
        for other in info.pods.values():
            if near and all(matches(term, pod, other, snapshot) for term in near):
                matching.update(_domains(near, info))
            for term in far:
                if matches(term, pod, other, snapshot):
                    avoided.update(_domains([term], info))
            for term in other.terms("podAntiAffinity", "required"):
                if matches(term, other, pod, snapshot):
                    closed.update(_domains([term], info))
    if not near and not far and not closed:
        return None
    # the first of a group that wants to be together has nobody to be near to yet
    first = not matching and all(matches(term, pod, pod, snapshot) for term in near)

    def judge(info: NodeInfo) -> Rejection | None:
        keys = [term["topologyKey"] for term in near]
        if any(key not in info.labels for key in keys):
            return _AFFINITY
        if not first and not all(matching[key, info.labels[key]] for key in keys):
            return _AFFINITY
        if any(avoided[domain] for domain in _domains(far, info)):
            return _ANTI_AFFINITY
        if any(closed[key, value] for key, value in info.labels.items()):
            return _EXISTING
        return None

    return judge


def matches(term: Object, owner: PodInfo, other: PodInfo, snapshot: Snapshot) -> bool:
    """Whether `other` is one of the pods that the term in `owner` speaks of."""
    spaces = term.get("namespaces") or []
    selector = term.get("namespaceSelector")
    if not spaces and selector is None:
        spaces = [owner.namespace]
    here = other.namespace in spaces or (
        selector is not None and selects(selector, snapshot.namespaces.get(other.namespace))
    )
    return here and selects(_with_keys(term, owner), other.labels)


def _with_keys(term: Object, owner: PodInfo) -> Object | None:
    """The label selector, narrowed to what `matchLabelKeys` name of the owner's labels."""
    selector: Object | None = term.get("labelSelector")
    extra = [
        {"key": key, "operator": operator, "values": [owner.labels[key]]}
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in term.get(field) or ()
        if key in owner.labels
    ]
    if selector is None or not extra:
        return selector
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *extra]}


def _domains(terms: list[Object], info: NodeInfo) -> list[Domain]:
    keys = {term["topologyKey"] for term in terms}
    return [(key, info.labels[key]) for key in keys if key in info.labels]
