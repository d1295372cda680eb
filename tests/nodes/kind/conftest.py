"""Supervisors of kind nodes, where Docker can run them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from labs.errors import LabsError
from labs.nodes import removal
from labs.nodes.kind import container, daemon
from labs.nodes.layout import Layout
from labs.nodes.spec import FILE

from ..conftest import Start, Starter, Supervised, starting


@pytest.fixture(scope="session")
def docker() -> Any:
    """A client of Docker; what needs a node is skipped where there is none, or no image to make it from."""
    from labs.nodes.image import node_image

    try:
        client = daemon.connect()
        node_image(client, lambda _: None)
    except LabsError as error:
        pytest.skip(f"no kind node here: {error}")
    return client


class KindStarter(Starter):
    """Whoever runs the tests, starting supervisors of kind clusters."""

    def directory(self) -> Any:
        directory = super().directory()
        (directory / FILE).write_text(json.dumps({"backend": "kind"}))
        return directory


@contextmanager
def starting_containers() -> Iterator[Start]:
    """Starts supervisors of bare kind clusters; all of them, and their containers, are gone afterwards."""
    starter = KindStarter(os.geteuid(), sys.executable)
    started: list[Supervised] = []
    try:
        with starting(starter) as start:

            def remember(*arguments: Any, **options: Any) -> Supervised:
                started.append(start(*arguments, **options))
                return started[-1]

            yield remember
    finally:
        for cluster in started:
            container.remove(Layout(cluster.directory, cluster.name))
        for directory in starter.directories:
            removal.remove(directory)


@pytest.fixture
def start_kind(docker: Any) -> Iterator[Start]:
    """Starts supervisors of bare kind clusters for one test."""
    with starting_containers() as start:
        yield start


@pytest.fixture(scope="session")
def standing(docker: Any) -> Iterator[Supervised]:
    """A running bare kind cluster for many tests, each of which leaves it as it was."""
    with starting_containers() as start:
        cluster = start(f"t{os.getpid()}-commands")
        assert cluster.reports[-1].get("ready"), cluster.reports
        yield cluster
