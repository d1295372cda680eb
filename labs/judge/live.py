"""What the file says, what the runtime runs, what the API claims: one pod in three places, side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from labs.judge.access import Access, Evidence, Judged
from labs.judge.facts import ManifestWritten, Pod
from labs.judge.state import Container, State

BREATH = 0.1
"""Seconds in which changes that belong together are gathered into one view."""
HEARTBEAT = 2.0
"""Seconds after which the API server is asked whether it is there, when nothing else happened."""


def view(cluster: Judged, pod: str) -> dict[str, Any]:
    """The pod as it is now."""
    access = Access(cluster)
    return _document(State().apply_all(access.facts()), pod, access.node, api_up=access.api_up())


def follow(cluster: Judged, pod: str) -> Iterator[dict[str, Any]]:
    """The pod as it is now, and again after each change. Ends when the caller has seen enough."""
    access = Access(cluster)
    with access.evidence() as evidence:
        evidence.up_to(access.barrier().seq)
        state, taken = State(), 0
        shown: dict[str, Any] | None = None
        while True:
            state.apply_all(evidence.facts[taken:])
            taken = len(evidence.facts)
            document = _document(state, pod, access.node, api_up=access.api_up())
            if document != shown:
                shown = document
                yield document
            _wait_for_news(evidence, taken)


def _wait_for_news(evidence: Evidence, known: int) -> None:
    """Wait for facts, a heartbeat at most, and then a breath longer for what belongs to them."""
    deadline = time.monotonic() + HEARTBEAT
    while len(evidence.facts) == known and (left := deadline - time.monotonic()) > 0:
        evidence.more(left)
    deadline = time.monotonic() + BREATH
    while len(evidence.facts) > known and (left := deadline - time.monotonic()) > 0:
        evidence.more(left)


def _document(state: State, pod: str, node: str, *, api_up: bool) -> dict[str, Any]:
    name = f"{pod}-{node.lower()}"
    claimed = state.pod(name)
    return {
        "pod": pod,
        "mirror": name,
        "node": node,
        "file": [_manifest(one) for one in state.manifests_of(pod)],
        "runtime": [_container(one) for one in state.containers_of(name)],
        "api": {"reachable": api_up, "pod": _claim(claimed) if claimed is not None else None},
    }


def _manifest(manifest: ManifestWritten) -> dict[str, Any]:
    images = ", ".join(manifest.images.values())
    return {"path": manifest.path, "name": manifest.pod, "image": images, "sha256": manifest.sha256}


def _container(container: Container) -> dict[str, Any]:
    return {
        "id": container.started.id,
        "name": container.started.container,
        "image": container.started.image,
        "state": "Running" if container.running else "Exited",
        "restarts": container.started.attempt,
        "started": container.started.at.isoformat(),
        "exit_code": container.exited.exit_code if container.exited is not None else None,
    }


def _claim(pod: Pod) -> dict[str, Any]:
    return {
        "name": pod.name,
        "uid": pod.uid,
        "image": ", ".join(pod.images.values()),
        "phase": "Terminating" if pod.deleting else pod.phase,
        "created": pod.created,
        "restarts": pod.restarts,
        "hash": pod.hash,
    }
