"""The evidence, read into facts: what a record means for static pods and their mirrors.

A record comes from the supervisor, which got it from the API server's audit trail, the runtime's event log,
the kubelet's journal, its own watch of the manifests, or the judge itself. `read` turns one into a fact, or
into nothing when it tells nothing about pods. It never fails: what a student can bring into a record
(a manifest that is no YAML, a pod with a strange spec) must not stop the judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import yaml

MIRROR = "kubernetes.io/config.mirror"
HASH = "kubernetes.io/config.hash"

LARGEST_MANIFEST = 100_000
"""Characters. A longer file is no pod of an exercise, and reading it would only cost the judge its time."""


@dataclass(frozen=True)
class Fact:
    """Something that happened, and where it stands in the one order of all evidence."""

    seq: int
    at: datetime


@dataclass(frozen=True)
class Pod:
    """A pod object as the API server stored it."""

    namespace: str
    name: str
    uid: str
    images: Mapping[str, str]
    phase: str
    created: str
    deleting: bool
    is_mirror: bool
    hash: str
    owner: str
    restarts: int


@dataclass(frozen=True)
class ApiFact(Fact):
    """Something the API server did for somebody. `by` is the user name it authenticated."""

    by: str

    @property
    def by_student(self) -> bool:
        """Whether a person did it: administrators have names of their own, components are `system:`."""
        return not self.by.startswith(("system:", "cks-labs:"))

    def by_node(self, node: str) -> bool:
        """Whether the kubelet of that node did it, or somebody with its credentials."""
        return self.by == f"system:node:{node}"


@dataclass(frozen=True)
class PodCreated(ApiFact):
    """A pod object came into being."""

    pod: Pod


@dataclass(frozen=True)
class PodChanged(ApiFact):
    """A pod object was written to, its spec or its status."""

    pod: Pod


@dataclass(frozen=True)
class PodDeleted(ApiFact):
    """A delete was accepted. The object is `gone` at once, or only marked and still there."""

    pod: Pod
    gone: bool


@dataclass(frozen=True)
class Refused(ApiFact):
    """The API server said no to a write on a pod."""

    verb: str
    namespace: str
    name: str
    message: str


@dataclass(frozen=True)
class ContainerFact(Fact):
    """Something that the runtime did with a container of a pod."""

    id: str
    container: str
    namespace: str
    pod: str
    image: str
    attempt: int


@dataclass(frozen=True)
class ContainerStarted(ContainerFact):
    """The container's process runs."""


@dataclass(frozen=True)
class ContainerExited(ContainerFact):
    """The container's process ended."""

    exit_code: int


@dataclass(frozen=True)
class ContainerRemoved(ContainerFact):
    """The runtime has forgotten the container."""


@dataclass(frozen=True)
class ManifestWritten(Fact):
    """A file in the manifests directory has new content; `pod` is "" when that names no pod."""

    path: str
    sha256: str
    namespace: str
    pod: str
    images: Mapping[str, str]


@dataclass(frozen=True)
class ManifestRemoved(Fact):
    """A file in the manifests directory is gone."""

    path: str


@dataclass(frozen=True)
class MirrorAnnounced(Fact):
    """The kubelet wrote into its journal that it is making a mirror pod."""

    namespace: str
    pod: str


@dataclass(frozen=True)
class Began(Fact):
    """An exercise was set up; what is judged begins here."""

    exercise: str
    seed: str


@dataclass(frozen=True)
class Renewed(Fact):
    """New nodes took the place of the old: nothing that was on them is there any more."""


@dataclass(frozen=True)
class Answered(Fact):
    """The student chose an answer."""

    exercise: str
    question: str
    choice: str


@dataclass(frozen=True)
class Hinted(Fact):
    """The student asked for a hint. It costs nothing."""

    exercise: str
    number: int


@dataclass(frozen=True)
class Seeded(Fact):
    """The grader named the seed by which options are shuffled."""

    seed: str


def read(record: Mapping[str, Any]) -> Fact | None:
    """The fact in a record, if it holds one that the judge knows."""
    reader = _READERS.get(record.get("source", ""))
    if reader is None:
        return None
    at = datetime.fromisoformat(record["at"])
    return reader(record, record["seq"], at)


def short_image(image: str) -> str:
    """An image's name without the registry and folder that are implied when it is written in a manifest."""
    return image.removeprefix("docker.io/").removeprefix("library/")


def _audit(record: Mapping[str, Any], seq: int, at: datetime) -> Fact | None:
    event = _mapping(record.get("event"))
    target = _mapping(event.get("objectRef"))
    if target.get("resource") != "pods" or event.get("stage", "ResponseComplete") != "ResponseComplete":
        return None
    by = _text(_mapping(event.get("user")).get("username"))
    verb = _text(event.get("verb"))
    if verb not in ("create", "update", "patch", "delete"):
        return None
    response = _mapping(event.get("responseObject"))
    status = _mapping(event.get("responseStatus"))
    code = status.get("code")
    if not isinstance(code, int) or code >= 400:
        message = _text(status.get("message"))
        return Refused(seq, at, by, verb, _text(target.get("namespace")), _text(target.get("name")), message)
    if target.get("subresource") not in (None, "", "status") or response.get("kind", "Pod") != "Pod":
        return None
    pod = _pod(response)
    if pod is None or "dryRun=" in _text(event.get("requestURI")):
        return None
    if verb == "create":
        return PodCreated(seq, at, by, pod)
    if verb == "delete":
        grace = _mapping(response.get("metadata")).get("deletionGracePeriodSeconds")
        asked = _mapping(event.get("requestObject")).get("gracePeriodSeconds")
        return PodDeleted(seq, at, by, pod, gone=(asked if grace is None else grace) == 0)
    return PodChanged(seq, at, by, pod)


def _pod(document: Mapping[str, Any]) -> Pod | None:
    metadata = _mapping(document.get("metadata"))
    if not metadata.get("uid"):
        return None
    annotations = _mapping(metadata.get("annotations"))
    status = _mapping(document.get("status"))
    owners = [_mapping(owner) for owner in _sequence(metadata.get("ownerReferences"))]
    restarts = [
        _count(_mapping(one).get("restartCount")) for one in _sequence(status.get("containerStatuses"))
    ]
    return Pod(
        namespace=_text(metadata.get("namespace")),
        name=_text(metadata.get("name")),
        uid=_text(metadata.get("uid")),
        images=_images(document),
        phase=_text(status.get("phase")),
        created=_text(metadata.get("creationTimestamp")),
        deleting=metadata.get("deletionTimestamp") is not None,
        is_mirror=MIRROR in annotations,
        hash=_text(annotations.get(HASH)),
        owner=next((_text(owner.get("name")) for owner in owners if owner.get("kind") == "Node"), ""),
        restarts=sum(restarts),
    )


def _runtime(record: Mapping[str, Any], seq: int, at: datetime) -> Fact | None:
    event = record.get("event")
    pod = _mapping(record.get("pod"))
    container = _text(record.get("container"))
    namespace, name, image = _text(pod.get("namespace")), _text(pod.get("name")), _text(record.get("image"))
    about = (seq, at, _text(record.get("id")), container, namespace, name, short_image(image))
    match event:
        case "ContainerStarted":
            return ContainerStarted(*about, _count(record.get("attempt")))
        case "ContainerExited":
            return ContainerExited(*about, _count(record.get("attempt")), _count(record.get("exitCode")))
        case "ContainerRemoved":
            return ContainerRemoved(*about, _count(record.get("attempt")))
    return None


def _file(record: Mapping[str, Any], seq: int, at: datetime) -> Fact | None:
    path = _text(record.get("path"))
    if PurePosixPath(path).name.startswith("."):
        return None
    if record.get("event") == "removed":
        return ManifestRemoved(seq, at, path)
    document = _manifest(_text(record.get("content")))
    metadata = _mapping(document.get("metadata"))
    namespace = _text(metadata.get("namespace")) or "default"
    name = _text(metadata.get("name"))
    return ManifestWritten(seq, at, path, _text(record.get("sha256")), namespace, name, _images(document))


def _manifest(content: str) -> Mapping[str, Any]:
    """The first document of a manifest, as the kubelet takes it; nothing when it holds no such thing."""
    if len(content) > LARGEST_MANIFEST:
        return {}
    try:
        return _mapping(next(iter(yaml.safe_load_all(content)), None))
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a timestamp that is none
        return {}


#: A line of the kubelet's own: with klog's header, which no text that it quotes can bring along (the lines of
#: a longer text begin with a tab). Some builds have a word before the header.
_ANNOUNCEMENT = re.compile(
    r"(?:\S+ )?I\d{4} [\d:.]+ +\d+ kubelet\.go:\d+] "
    r'"Creating a mirror pod for static pod" pod="(?P<namespace>[^"/]+)/(?P<name>[^"]+)"'
)


def _journal(record: Mapping[str, Any], seq: int, at: datetime) -> Fact | None:
    if record.get("unit") != "kubelet.service" or record.get("identifier") != "kubelet":
        return None
    found = _ANNOUNCEMENT.match(_text(record.get("message")))
    return MirrorAnnounced(seq, at, found["namespace"], found["name"]) if found else None


def _lab(record: Mapping[str, Any], seq: int, at: datetime) -> Fact | None:
    exercise = _text(record.get("exercise"))
    match record.get("event"):
        case "start":
            return Began(seq, at, exercise, _text(record.get("seed")))
        case "answer":
            return Answered(seq, at, exercise, _text(record.get("question")), _text(record.get("choice")))
        case "hint":
            return Hinted(seq, at, exercise, _count(record.get("number")))
        case "seed":
            return Seeded(seq, at, _text(record.get("seed")))
        case "renewed":
            return Renewed(seq, at)
    return None


_READERS = {"audit": _audit, "runtime": _runtime, "file": _file, "journal": _journal, "lab": _lab}


def _images(document: Mapping[str, Any]) -> dict[str, str]:
    containers = _sequence(_mapping(document.get("spec")).get("containers"))
    pairs = [(_mapping(one).get("name"), _mapping(one).get("image")) for one in containers]
    return {_text(name): short_image(_text(image)) for name, image in pairs}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
