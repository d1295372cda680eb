"""Nodes for tests of the container runtime."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labs.nodes import removal
from tests.runtime.harness import RuntimeNode


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeNode]:
    """One node for the tests of a module, each of which makes sandboxes of its own."""
    yield from _node(tmp_path_factory)


@pytest.fixture
def fresh_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeNode]:
    """A node for one test alone, which may restart things on it."""
    yield from _node(tmp_path_factory)


def _node(factory: pytest.TempPathFactory) -> Iterator[RuntimeNode]:
    directory = factory.mktemp("node")
    for parent in [directory, *directory.parents]:  # as root a node's processes are another user
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o055)
    node = RuntimeNode(directory)
    try:
        yield node.boot()
    finally:
        node.down()
        removal.delete(directory)  # pytest can't: overlays leave directories that only a node's root may open
