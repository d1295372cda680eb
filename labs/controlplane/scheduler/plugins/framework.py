"""What a rule is (`pkg/scheduler/framework`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..nodeinfo import NodeInfo, PodInfo, Snapshot


@dataclass(frozen=True)
class Rejection:
    """Why a pod may not go to a node."""

    plugin: str
    reasons: tuple[str, ...]
    #: No pod less on the node would help.
    unresolvable: bool = False


#: Says of one pod, looked at together with all nodes, what each node is to it.
Judge = Callable[[NodeInfo], Rejection | None]


@dataclass(frozen=True)
class Filter:
    """A rule that may reject nodes. `prepare` looks at the pod and all nodes once, and judges each."""

    name: str
    prepare: Callable[[PodInfo, Snapshot], Judge | None]
    #: The changes after which a pod that this rule rejected is worth another try.
    events: frozenset[str]


@dataclass(frozen=True)
class Score:
    """A rule that prefers nodes: points from 0 to 100 for each of them, times a weight."""

    name: str
    weight: int
    points: Callable[[PodInfo, Sequence[NodeInfo], Snapshot], list[float]]


def normalized(raw: Sequence[float], *, reverse: bool = False) -> list[float]:
    """Scaled so that the greatest gets 100; with `reverse`, 0."""
    most = max(raw, default=0)
    if most == 0:
        return [100.0 if reverse else 0.0 for _ in raw]
    scaled = [float(int(100 * value / most)) for value in raw]
    return [100 - value for value in scaled] if reverse else scaled
