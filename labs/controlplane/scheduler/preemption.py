"""Making room for a more important pod (`framework/preemption`, `plugins/defaultpreemption`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .algorithm import Algorithm, histogram
from .nodeinfo import NodeInfo, PodInfo, Snapshot
from .plugins import Rejection

#: What the rule for devices says first, about every pod.
_CLAIMS = "no new claims to deallocate, "
_NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"


@dataclass(frozen=True)
class Candidate:
    """A node, and the pods that would have to go there."""

    node: str
    victims: tuple[PodInfo, ...]

    @property
    def cost(self) -> tuple[int, int, int]:
        """What to keep low: the most important victim, their importance together, their number."""
        priorities = [victim.priority for victim in self.victims]
        return max(priorities), sum(priority + 2**31 for priority in priorities), len(priorities)

    @property
    def started(self) -> str:
        """When the most important victim was started: of equals, the youngest go."""
        most = max(victim.priority for victim in self.victims)
        return min(
            (victim.pod.get("status") or {}).get("startTime") or ""
            for victim in self.victims
            if victim.priority == most
        )


@dataclass(frozen=True)
class Outcome:
    """Where room can be made, or what to tell when nowhere."""

    candidate: Candidate | None = None
    message: str = ""


def preempt(
    pod: PodInfo, snapshot: Snapshot, rejections: Mapping[str, Rejection], algorithm: Algorithm
) -> Outcome:
    """Whom to preempt for a pod that no node would have, for these reasons."""
    if reason := _not_eligible(pod, snapshot):
        return Outcome(message=f"{_CLAIMS}preemption: {reason}")
    candidates, refused = [], []
    for name, rejection in rejections.items():
        if rejection.unresolvable:
            refused.append(Rejection("DefaultPreemption", (_NOT_HELPFUL,)))
            continue
        found = _victims(pod, snapshot.nodes[name], snapshot, algorithm)
        if isinstance(found, Rejection):
            refused.append(found)
        else:
            candidates.append(Candidate(name, found))
    if not candidates:
        told = f"0/{len(rejections)} nodes are available: {histogram(refused)}."
        return Outcome(message=f"{_CLAIMS}preemption: {told}")
    cheapest = min(candidate.cost for candidate in candidates)
    youngest = max(
        (candidate for candidate in candidates if candidate.cost == cheapest), key=lambda each: each.started
    )
    return Outcome(youngest)


def _not_eligible(pod: PodInfo, snapshot: Snapshot) -> str:
    if pod.spec.get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    nominated = (pod.pod.get("status") or {}).get("nominatedNodeName")
    if nominated and nominated in snapshot.nodes:
        for other in snapshot.nodes[nominated].pods.values():
            if other.priority < pod.priority and "deletionTimestamp" in other.pod["metadata"]:
                return "not eligible due to a terminating pod on the nominated node."
    return ""


def _victims(
    pod: PodInfo, info: NodeInfo, snapshot: Snapshot, algorithm: Algorithm
) -> tuple[PodInfo, ...] | Rejection:
    """The least important pods without which there is room, or why there is none even so."""
    lesser = [other for other in info.pods.values() if other.priority < pod.priority]
    kept = [other for other in info.pods.values() if other.priority >= pod.priority]
    if not lesser:
        return Rejection("DefaultPreemption", (_NO_VICTIMS,))
    if (rejection := algorithm.check(pod, info.with_pods(kept), snapshot)) is not None:
        return rejection
    victims = []
    for other in sorted(lesser, key=_importance):
        if algorithm.check(pod, info.with_pods([*kept, other]), snapshot) is None:
            kept.append(other)
        else:
            victims.append(other)
    return tuple(victims)


def _importance(pod: PodInfo) -> tuple[int, str]:
    """The most important first; of equals, the one that has run longest."""
    return -pod.priority, (pod.pod.get("status") or {}).get("startTime") or "9"
