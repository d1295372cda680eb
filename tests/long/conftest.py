"""What the fuzzing tests share."""

from collections.abc import Iterator

import pytest

from tests.controlplane.plane import Plane
from tests.long.fuzzing import Witness


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """A control plane of its own, and one that remembers all it has acknowledged."""
    plane = Plane(tmp_path_factory.mktemp("fuzz"))
    plane.start_etcd()
    plane.start()
    witness = Witness(plane)
    witness.settle()
    yield witness
    plane.stop()
