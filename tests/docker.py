"""For tests that need Docker: skips them, with the reason, where it cannot run."""

import functools

import docker
import pytest

from labs.errors import LabsError
from labs.nodes.kind.daemon import connect


@functools.cache
def client() -> docker.DockerClient:
    """The daemon's client; `LabsError` where none answers."""
    return connect()


@functools.cache
def _lacking() -> str:
    try:
        client()
    except LabsError as error:
        return str(error)
    return ""


requires_docker = pytest.mark.skipif(bool(_lacking()), reason=_lacking())
