"""The default filters, in their order; the first that rejects a node gives the reason."""

from __future__ import annotations

from collections.abc import Callable

from labs.controlplane.helpers import nodeaffinity, taints

from .. import events
from ..nodeinfo import NodeInfo, PodInfo, Snapshot
from . import interpodaffinity, topologyspread
from .framework import Filter, Judge, Rejection

_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _unschedulable(pod: PodInfo, _: Snapshot) -> Judge | None:
    if any(taints.tolerates(toleration, _UNSCHEDULABLE) for toleration in pod.tolerations):
        return None
    rejection = Rejection("NodeUnschedulable", ("node(s) were unschedulable",), unresolvable=True)
    return lambda info: rejection if info.node.get("spec", {}).get("unschedulable") else None


def _name(pod: PodInfo, _: Snapshot) -> Judge | None:
    wanted = pod.spec.get("nodeName")
    if not wanted:
        return None
    rejection = Rejection("NodeName", ("node(s) didn't match the requested node name",), unresolvable=True)
    return lambda info: rejection if info.name != wanted else None


def _taints(pod: PodInfo, _: Snapshot) -> Judge:
    rejection = Rejection("TaintToleration", ("node(s) had untolerated taint(s)",), unresolvable=True)

    def judge(info: NodeInfo) -> Rejection | None:
        found = taints.untolerated(info.taints, pod.tolerations, ("NoSchedule", "NoExecute"))
        return rejection if found else None

    return judge


def _affinity(pod: PodInfo, _: Snapshot) -> Judge | None:
    if not pod.spec.get("nodeSelector") and not pod.terms("nodeAffinity", "required"):
        return None
    reason = "node(s) didn't match Pod's node affinity/selector"
    rejection = Rejection("NodeAffinity", (reason,), unresolvable=True)
    return lambda info: None if nodeaffinity.admits(pod.spec, info.node) else rejection


def _ports(pod: PodInfo, _: Snapshot) -> Judge | None:
    if not pod.ports:
        return None
    rejection = Rejection("NodePorts", ("node(s) didn't have free ports for the requested pod ports",))
    return lambda info: rejection if info.conflicts(pod.ports) else None


def _fit(pod: PodInfo, _: Snapshot) -> Judge:
    def judge(info: NodeInfo) -> Rejection | None:
        allocatable, requested = info.allocatable, info.requested()
        reasons, never = [], False
        if len(info.pods) + 1 > allocatable.get("pods", 0):
            reasons.append("Too many pods")
        for name, amount in pod.requests.items():
            room = allocatable.get(name, 0)
            if amount > 0 and amount > room - requested.get(name, 0):
                reasons.append(f"Insufficient {name}")
                never = never or amount > room
        return Rejection("NodeResourcesFit", tuple(reasons), unresolvable=never) if reasons else None

    return judge


def _filter(name: str, prepare: Callable[[PodInfo, Snapshot], Judge | None], *after: str) -> Filter:
    return Filter(name, prepare, frozenset((events.NODE_ADDED, events.POD_ITSELF, *after)))


FILTERS = (
    _filter("NodeUnschedulable", _unschedulable, events.NODE_TAINTS),
    _filter("NodeName", _name),
    _filter("TaintToleration", _taints, events.NODE_TAINTS),
    _filter("NodeAffinity", _affinity, events.NODE_LABELS),
    _filter("NodePorts", _ports, events.POD_DELETED),
    _filter("NodeResourcesFit", _fit, events.POD_DELETED, events.NODE_ALLOCATABLE),
    _filter(
        "PodTopologySpread",
        topologyspread.prepare,
        *(events.POD_ADDED, events.POD_DELETED, events.POD_LABELS, events.NODE_LABELS, events.NODE_TAINTS),
    ),
    _filter(
        "InterPodAffinity",
        interpodaffinity.prepare,
        *(events.POD_ADDED, events.POD_DELETED, events.POD_LABELS, events.NODE_LABELS, events.NAMESPACE),
    ),
)
