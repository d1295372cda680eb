"""Where a pod goes: filter all nodes, then take the one with the most points (`schedule_one.go`)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .nodeinfo import NodeInfo, PodInfo, Snapshot
from .plugins import FILTERS, SCORES, Filter, Rejection
from .plugins.framework import Judge

NO_NODES = "no nodes available to schedule pods"


@dataclass
class FitError(Exception):
    """No node will have the pod."""

    nodes: int
    rejections: Mapping[str, Rejection]
    #: What preemption found, told after the reasons.
    preemption: str = field(default="")

    def __str__(self) -> str:
        if not self.nodes:
            return NO_NODES
        message = f"0/{self.nodes} nodes are available: {histogram(self.rejections.values())}."
        return f"{message} {self.preemption}" if self.preemption else message

    @property
    def plugins(self) -> frozenset[str]:
        """The rules that rejected it."""
        return frozenset(rejection.plugin for rejection in self.rejections.values())


def histogram(rejections: Iterable[Rejection]) -> str:
    """`1 Insufficient cpu, 2 node(s) were unschedulable`."""
    reasons = Counter(reason for rejection in rejections for reason in rejection.reasons)
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))


class Algorithm:
    """The rules of one profile."""

    def __init__(self, filters: Sequence[Filter] = FILTERS) -> None:
        self._filters = filters

    def schedule(self, pod: PodInfo, snapshot: Snapshot, nominated: Mapping[str, list[PodInfo]]) -> str:
        """The name of the node for a pod. Raises `FitError`."""
        feasible, rejections = self.find(pod, snapshot, nominated)
        if not feasible:
            raise FitError(len(snapshot.nodes), rejections)
        return self._best(pod, feasible, snapshot).name

    def find(
        self, pod: PodInfo, snapshot: Snapshot, nominated: Mapping[str, list[PodInfo]]
    ) -> tuple[list[NodeInfo], dict[str, Rejection]]:
        """The nodes that may have the pod, and why the others may not.

        Pods that were promised room on a node by preemption count as being there already, unless they are
        less important than this one.
        """
        judge = self._judge(pod, snapshot)
        feasible, rejections = [], {}
        for info in snapshot.nodes.values():
            promised = [
                other
                for other in nominated.get(info.name, ())
                if other.priority >= pod.priority and other.uid != pod.uid
            ]
            rejection = judge(info)
            if rejection is None and promised:
                rejection = self.check(pod, info.with_pods([*info.pods.values(), *promised]), snapshot)
            if rejection is None:
                feasible.append(info)
            else:
                rejections[info.name] = rejection
        return feasible, rejections

    def check(self, pod: PodInfo, info: NodeInfo, snapshot: Snapshot) -> Rejection | None:
        """Why a node in this state may not have the pod."""
        return self._judge(pod, snapshot.replaced(info))(info)

    def _judge(self, pod: PodInfo, snapshot: Snapshot) -> Judge:
        prepared = (each.prepare(pod, snapshot) for each in self._filters)
        judges = [judge for judge in prepared if judge is not None]

        def first(info: NodeInfo) -> Rejection | None:
            return next((found for judge in judges if (found := judge(info)) is not None), None)

        return first

    def _best(self, pod: PodInfo, feasible: list[NodeInfo], snapshot: Snapshot) -> NodeInfo:
        if len(feasible) == 1:
            return feasible[0]
        totals = [0.0] * len(feasible)
        for score in SCORES:
            for index, points in enumerate(score.points(pod, feasible, snapshot)):
                totals[index] += score.weight * points
        most = max(totals)
        return random.choice([info for info, total in zip(feasible, totals, strict=True) if total == most])
