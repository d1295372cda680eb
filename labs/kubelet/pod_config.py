"""What the sources say should run, as changes (`pkg/kubelet/config/config.go`, Merge).

Each source publishes the full list of its pods; the difference to what it said before is delivered as
removes, then adds, then updates, in that order, so that an edited manifest stops its old pod first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from labs.kubelet.pod.identity import SEEN_ANNOTATION, SOURCE_ANNOTATION
from labs.kubelet.pod.model import Pod

_OURS = (SOURCE_ANNOTATION, SEEN_ANNOTATION)


@dataclass(frozen=True)
class Changes:
    removed: tuple[Pod, ...] = ()
    added: tuple[Pod, ...] = ()
    updated: tuple[Pod, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.updated)


def rfc3339_nano(at: datetime) -> str:
    """A timestamp as Go's RFC3339Nano: trailing zeros of the fraction are left out."""
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return f"{text}Z"


def _stamped(pod: Pod, source: str, seen: str) -> Pod:
    metadata = pod.object["metadata"]
    annotations = {**metadata.get("annotations", {}), SOURCE_ANNOTATION: source, SEEN_ANNOTATION: seen}
    return Pod.of({**pod.object, "metadata": {**metadata, "annotations": annotations}})


def _content(pod: Pod) -> tuple[object, ...]:
    """What an update is told by: everything but the annotations stamped on delivery."""
    annotations = {k: v for k, v in pod.annotations.items() if k not in _OURS}
    return pod.object["spec"], dict(pod.labels), annotations


def difference(
    known: dict[str, Pod], wanted: Iterable[Pod], source: str, seen: str
) -> tuple[dict[str, Pod], Changes]:
    """The source's new pods by UID, and what changed."""
    after: dict[str, Pod] = {}
    added: list[Pod] = []
    updated: list[Pod] = []
    for pod in wanted:
        before = known.get(pod.uid)
        if before is not None and _content(before) == _content(pod):
            after[pod.uid] = before
            continue
        after[pod.uid] = stamped = _stamped(pod, source, seen)
        (added if before is None else updated).append(stamped)
    removed = tuple(pod for uid, pod in known.items() if uid not in after)
    return after, Changes(removed, tuple(added), tuple(updated))


class PodConfig:
    """The sources' lists side by side; `seen_all` once each source has spoken."""

    def __init__(
        self, sources: Iterable[str], deliver: Callable[[Changes], None], now: Callable[[], datetime]
    ) -> None:
        self._pods: dict[str, dict[str, Pod]] = {source: {} for source in sources}
        self._silent = set(self._pods)
        self._deliver = deliver
        self._now = now

    @property
    def seen_all(self) -> bool:
        return not self._silent

    def set(self, source: str, pods: Iterable[Pod]) -> None:
        """A source's complete list."""
        self._pods[source], changes = difference(self._pods[source], pods, source, rfc3339_nano(self._now()))
        self._silent.discard(source)
        if changes:
            self._deliver(changes)
