"""What the sources say should run, as changes (`pkg/kubelet/config/config.go`, Merge).

Each source publishes the full list of its pods; the difference to what it said before is delivered as
removes, then adds, then updates, in that order, so that an edited manifest stops its old pod first. That the
API wants a pod gone is an update, too: it goes when it has stopped.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from labs.kubelet import klog
from labs.kubelet.events import WARNING, EventRecorder
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
    """What an update is told by: everything but the annotations stamped on delivery, and the deletion."""
    annotations = {k: v for k, v in pod.annotations.items() if k not in _OURS}
    return pod.object["spec"], dict(pod.labels), annotations, pod.is_deleted, pod.kill_grace


def _same(before: Pod, pod: Pod) -> bool:
    """Whether nothing is new. A stamped pod has its spec in common with the decoded one it was made of."""
    return before.object["spec"] is pod.object["spec"] or _content(before) == _content(pod)


def difference(
    known: dict[str, Pod], wanted: Iterable[Pod], source: str, seen: str
) -> tuple[dict[str, Pod], Changes]:
    """The source's new pods by UID, and what changed."""
    after: dict[str, Pod] = {}
    added: list[Pod] = []
    updated: list[Pod] = []
    for pod in wanted:
        before = known.get(pod.uid)
        if before is not None and _same(before, pod):
            after[pod.uid] = before
            continue
        first = before.annotations[SEEN_ANNOTATION] if before is not None else seen
        after[pod.uid] = stamped = _stamped(pod, source, first)
        (added if before is None else updated).append(stamped)
    removed = tuple(pod for uid, pod in known.items() if uid not in after)
    return after, Changes(removed, tuple(added), tuple(updated))


class PodConfig:
    """The sources' lists side by side; `seen_all` once each source has spoken."""

    def __init__(
        self,
        sources: Iterable[str],
        deliver: Callable[[Changes], None],
        now: Callable[[], datetime],
        events: EventRecorder,
    ) -> None:
        self._events = events
        self._pods: dict[str, dict[str, Pod]] = {source: {} for source in sources}
        self._silent = set(self._pods)
        self._deliver = deliver
        self._now = now

    def _without_duplicates(self, source: str, pods: Iterable[Pod]) -> list[Pod]:
        """The first pod of each name; a file source never has two (`filterInvalidPods`)."""
        kept: dict[str, Pod] = {}
        for index, pod in enumerate(pods):
            if kept.setdefault(pod.full_name, pod) is pod:
                continue
            message = "Pod failed validation due to duplicate pod name, ignoring"
            klog.info("config.go:269", message, index=index, pod=pod.ref, source=source)
            why = f'due to duplicate pod name "{pod.name}", ignoring'
            text = f"Error validating pod {pod.described} from {source} {why}"
            self._events.pod(pod, WARNING, "FailedValidation", text)
        return list(kept.values())

    @property
    def seen_all(self) -> bool:
        return not self._silent

    def set(self, source: str, pods: Iterable[Pod]) -> None:
        """A source's complete list."""
        seen = rfc3339_nano(self._now())
        wanted = self._without_duplicates(source, pods)
        self._pods[source], changes = difference(self._pods[source], wanted, source, seen)
        self._silent.discard(source)
        if changes:
            self._deliver(changes)
