"""Where Docker does not answer, no node that may exist is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.nodes.kind import container
from labs.nodes.kind.daemon import DockerError
from labs.nodes.kind.note import Note
from labs.nodes.layout import Layout


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    return Layout(tmp_path, "blue")


def test_a_cluster_that_never_got_a_node_can_be_removed_without_docker(layout: Layout) -> None:
    container.remove(layout)


def test_a_cluster_with_a_node_can_not(layout: Layout) -> None:
    Note("0123", "172.18.0.2", 0.0).save(layout, layout.control_plane)

    with pytest.raises(DockerError, match="daemon is not running"):
        container.remove(layout)
