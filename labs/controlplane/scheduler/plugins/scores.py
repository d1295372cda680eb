"""The default scores and their weights."""

from __future__ import annotations

from collections.abc import Sequence

from labs.controlplane.helpers import nodeaffinity, taints

from ..nodeinfo import NodeInfo, PodInfo, Snapshot
from . import interpodaffinity, topologyspread
from .framework import Score, normalized

_SMALL_IMAGE, _LARGE_IMAGE = 23 * 1024 * 1024, 1000 * 1024 * 1024


def _taints(pod: PodInfo, nodes: Sequence[NodeInfo], _: Snapshot) -> list[float]:
    """Fewer taints of PreferNoSchedule that the pod does not tolerate."""
    untolerated = [
        len(taints.untolerated(info.taints, pod.tolerations, ("PreferNoSchedule",))) for info in nodes
    ]
    return normalized(untolerated, reverse=True)


def _affinity(pod: PodInfo, nodes: Sequence[NodeInfo], _: Snapshot) -> list[float]:
    """The weights of the preferred node affinity that a node satisfies."""
    terms = pod.terms("nodeAffinity", "preferred")
    return normalized(
        [
            sum(int(t["weight"]) for t in terms if nodeaffinity.prefers(t["preference"], info.node))
            for info in nodes
        ]
    )


def _least_allocated(pod: PodInfo, nodes: Sequence[NodeInfo], _: Snapshot) -> list[float]:
    """The share of cpu and memory that would still be free."""
    return [sum(_free(pod, info)) / 2 for info in nodes]


def _balanced(pod: PodInfo, nodes: Sequence[NodeInfo], _: Snapshot) -> list[float]:
    """Cpu and memory used to a like share."""
    points = []
    for info in nodes:
        cpu, memory = _free(pod, info)
        points.append(100 - abs(cpu - memory) / 2)
    return points


def _free(pod: PodInfo, info: NodeInfo) -> tuple[float, float]:
    allocatable, requested = info.allocatable, info.requested(non_zero=True)
    shares = []
    for name in ("cpu", "memory"):
        room = allocatable.get(name, 0)
        left = room - requested.get(name, 0) - pod.non_zero.get(name, 0)
        shares.append(max(0.0, 100.0 * left / room) if room else 0.0)
    return shares[0], shares[1]


def _images(pod: PodInfo, nodes: Sequence[NodeInfo], _: Snapshot) -> list[float]:
    """The size of the pod's images that are there, less where few nodes have them."""
    wanted = {_with_tag(c.get("image", "")) for c in pod.spec.get("containers") or ()}
    known = [
        {
            name: int(image.get("sizeBytes") or 0)
            for image in (info.node.get("status") or {}).get("images") or ()
            for name in image.get("names") or ()
        }
        for info in nodes
    ]
    spread = {name: sum(name in images for images in known) / len(nodes) for name in wanted}
    most = _LARGE_IMAGE * max(1, len(wanted))
    points = []
    for images in known:
        size = sum(images.get(name, 0) * spread[name] for name in wanted)
        clamped = min(max(size, _SMALL_IMAGE), most)
        points.append(float(int(100 * (clamped - _SMALL_IMAGE) / (most - _SMALL_IMAGE))))
    return points


def _with_tag(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _near(pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> list[float]:
    """The weights of the pod's preferred affinity to the pods in a node's domains, less its anti-affinity."""
    weighted = [(int(t["weight"]), t["podAffinityTerm"]) for t in pod.terms("podAffinity", "preferred")]
    weighted += [(-int(t["weight"]), t["podAffinityTerm"]) for t in pod.terms("podAntiAffinity", "preferred")]
    totals = [0.0 for _ in nodes]
    for weight, term in weighted:
        key = term["topologyKey"]
        domains = [
            info.labels.get(key)
            for info in snapshot.nodes.values()
            for other in info.pods.values()
            if interpodaffinity.matches(term, pod, other, snapshot)
        ]
        for index, info in enumerate(nodes):
            if key in info.labels:
                totals[index] += weight * domains.count(info.labels[key])
    least, most = min(totals), max(totals)
    return [100 * (total - least) / (most - least) if most > least else 0.0 for total in totals]


def _spread(pod: PodInfo, nodes: Sequence[NodeInfo], snapshot: Snapshot) -> list[float]:
    """Domains with few matching pods, by the constraints that only wish."""
    wished = topologyspread.constraints(pod, "ScheduleAnyway")
    totals = [0.0 for _ in nodes]
    for each in wished:
        counts = topologyspread.domain_counts(each, pod, snapshot, [each])
        for index, info in enumerate(nodes):
            totals[index] += counts.get(info.labels.get(each["topologyKey"], ""), 0)
    most, least = max(totals), min(totals)
    return [100 * (most + least - total) / most if most else 100.0 for total in totals]


SCORES = (
    Score("TaintToleration", 3, _taints),
    Score("NodeAffinity", 2, _affinity),
    Score("PodTopologySpread", 2, _spread),
    Score("InterPodAffinity", 2, _near),
    Score("NodeResourcesFit", 1, _least_allocated),
    Score("NodeResourcesBalancedAllocation", 1, _balanced),
    Score("ImageLocality", 1, _images),
)
