"""Who has to go so that a critical pod fits (`pkg/kubelet/preemption/preemption.go`).

Pods of the least quality of service go first, and of those as few and as small ones as will do.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from labs.kubelet.pod.model import Pod
from labs.kubelet.resources import pod_total

REASON = "Preempting"
MESSAGE = "Preempted in order to admit critical pod"
DISRUPTION = "Pod was preempted by Kubelet to accommodate a critical pod."

#: What lacks, by resource: processor time in thousandths, all else in units.
Needs = Mapping[str, int]


class PreemptionError(Exception):
    """Not even all who may be preempted would make room enough; the text is upstream's."""


def victims_of(pod: Pod, others: Iterable[Pod], needs: Needs) -> list[Pod]:
    """The pods to preempt. Raises PreemptionError."""
    below = [other for other in others if _preemptable(pod, other)]
    best, burst, guaranteed = (
        [p for p in below if p.qos_class == kind] for kind in ("BestEffort", "Burstable", "Guaranteed")
    )
    if left := _without(needs, below):
        raise _nobody(left)
    third = _closest(guaranteed, _without(needs, [*best, *burst]))
    second = _closest(burst, _without(needs, [*best, *third]))
    first = _closest(best, _without(needs, [*second, *third]))
    return [*first, *second, *third]


def _preemptable(preemptor: Pod, other: Pod) -> bool:
    if preemptor.is_critical and not other.is_critical:
        return True
    mine, its = preemptor.priority, other.priority
    return mine is not None and its is not None and mine > its


def _nobody(needs: Needs) -> PreemptionError:
    listed = "".join(f"(res: {name}, q: {amount}), " for name, amount in needs.items())
    return PreemptionError(f"no set of running pods found to reclaim resources: [{listed}]")


def _request(pod: Pod, resource: str) -> int:
    if resource == "pods":
        return 1
    return int(pod_total(pod, "requests").get(resource, Decimal()) * (1000 if resource == "cpu" else 1))


def _without(needs: Needs, gone: Iterable[Pod]) -> dict[str, int]:
    """What still lacks when these are gone."""
    pods = list(gone)
    left = {name: amount - sum(_request(p, name) for p in pods) for name, amount in needs.items()}
    return {name: amount for name, amount in left.items() if amount > 0}


def _closest(pods: list[Pod], needs: Needs) -> list[Pod]:
    """One pod after the other, each the nearest to what lacks still; among equals the smallest."""
    left, candidates, chosen = dict(needs), list(pods), []
    while left:
        if not candidates:
            raise _nobody(left)
        candidates.sort(key=lambda p: (_distance(p, left), _request(p, "memory"), _request(p, "cpu")))
        chosen.append(candidates.pop(0))
        left = _without(left, chosen[-1:])
    return chosen


def _distance(pod: Pod, needs: Needs) -> float:
    return sum((max(0, amount - _request(pod, name)) / amount) ** 2 for name, amount in needs.items())
