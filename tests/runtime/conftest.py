"""Nodes for tests of the container runtime."""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labs.nodes import removal
from tests.runtime.harness import RuntimeNode


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeNode]:
    """One node for the tests of a module, each of which makes sandboxes of its own."""
    yield from booted(tmp_path_factory)


@pytest.fixture
def fresh_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeNode]:
    """A node for one test alone, which may restart things on it."""
    yield from booted(tmp_path_factory)


def booted(
    factory: pytest.TempPathFactory,
    make: Callable[[Path], RuntimeNode] = RuntimeNode,
    before: Callable[[RuntimeNode], object] = lambda node: None,
) -> Iterator[RuntimeNode]:
    """A node that is booted after `before`, and powered off at the end."""
    directory = factory.mktemp("node")
    for parent in [directory, *directory.parents]:  # as root a node's processes are another user
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o055)
    node = make(directory)
    before(node)
    try:
        yield node.boot()
    finally:
        node.down()
        removal.delete(directory)  # pytest can't: overlays leave directories that only a node's root may open


def unpack(directory: Path, name: str, target: Path) -> None:
    """Put one of the real programs, which may be packed, where a node has it."""
    plain, packed = directory / name, directory / f"{name}.xz"
    with plain.open("rb") if plain.exists() else lzma.open(packed) as source, target.open("wb") as program:
        shutil.copyfileobj(source, program)
    target.chmod(0o755)
