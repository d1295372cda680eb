"""What is the case at a moment: the fold over all facts up to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import singledispatchmethod

from labs.judge.facts import (
    ContainerExited,
    ContainerRemoved,
    ContainerStarted,
    Fact,
    ManifestRemoved,
    ManifestWritten,
    Pod,
    PodChanged,
    PodCreated,
    PodDeleted,
    Renewed,
)


@dataclass(frozen=True)
class Container:
    """A container as the runtime has it: started, and perhaps exited."""

    started: ContainerStarted
    exited: ContainerExited | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.exited is None


@dataclass
class State:
    """The three places where a static pod is to be found: the API, the runtime, the manifests directory."""

    pods: dict[tuple[str, str], Pod] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    manifests: dict[str, ManifestWritten] = field(default_factory=dict)

    def pod(self, name: str, namespace: str = "default") -> Pod | None:
        """The API's object of that full name, mirror or not."""
        return self.pods.get((namespace, name))

    def containers_of(self, pod: str, namespace: str = "default") -> tuple[Container, ...]:
        """The runtime's containers of the pod of that full name, in the order of their start."""
        return tuple(
            one
            for one in self.containers.values()
            if (one.started.namespace, one.started.pod) == (namespace, pod)
        )

    def running(self, pod: str, namespace: str = "default") -> frozenset[str]:
        """The IDs of the containers of that pod whose processes live."""
        return frozenset(one.started.id for one in self.containers_of(pod, namespace) if one.running)

    def manifests_of(self, pod: str, namespace: str = "default") -> tuple[ManifestWritten, ...]:
        """The files that ask for the static pod of that short name, by path."""
        found = (one for one in self.manifests.values() if (one.namespace, one.pod) == (namespace, pod))
        return tuple(sorted(found, key=lambda one: one.path))

    def apply_all(self, facts: Iterable[Fact]) -> State:
        """Take these facts in, in their order. Returns itself."""
        for fact in facts:
            self.apply(fact)
        return self

    @singledispatchmethod
    def apply(self, fact: Fact) -> None:
        """Take one fact in. Facts that change none of the three places are passed over."""

    @apply.register
    def _(self, fact: PodCreated) -> None:
        self.pods[fact.pod.namespace, fact.pod.name] = fact.pod

    @apply.register
    def _(self, fact: PodChanged) -> None:
        key = (fact.pod.namespace, fact.pod.name)
        known = self.pods.get(key)
        if known is None or known.uid == fact.pod.uid:
            self.pods[key] = fact.pod

    @apply.register
    def _(self, fact: PodDeleted) -> None:
        key = (fact.pod.namespace, fact.pod.name)
        known = self.pods.get(key)
        if known is not None and known.uid != fact.pod.uid:
            return
        if fact.gone:
            self.pods.pop(key, None)
        else:
            self.pods[key] = fact.pod

    @apply.register
    def _(self, fact: ContainerStarted) -> None:
        self.containers[fact.id] = Container(fact)

    @apply.register
    def _(self, fact: ContainerExited) -> None:
        known = self.containers.get(fact.id)
        if known is not None:
            self.containers[fact.id] = Container(known.started, fact)

    @apply.register
    def _(self, fact: ContainerRemoved) -> None:
        self.containers.pop(fact.id, None)

    @apply.register
    def _(self, fact: ManifestWritten) -> None:
        self.manifests[fact.path] = fact

    @apply.register
    def _(self, fact: Renewed) -> None:
        self.pods.clear()
        self.containers.clear()
        self.manifests.clear()

    @apply.register
    def _(self, fact: ManifestRemoved) -> None:
        self.manifests.pop(fact.path, None)
