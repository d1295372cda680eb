"""Nodes for tests of pid 1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.init.harness import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A booted node for one test alone."""
    node = Node(tmp_path)
    try:
        yield node.boot()
    finally:
        node.down()


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One node for the tests of a module, which leave it as they found it."""
    node = Node(tmp_path_factory.mktemp("node"))
    try:
        yield node.boot()
    finally:
        node.down()
