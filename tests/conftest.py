"""What tests in every room share: a state directory of their own, and clusters that are torn down.

Clusters are real (bubblewrap, etcd, kubectl). Where this machine cannot give one, the tests that need
it skip with the reason that `labs doctor` would print.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from labs.errors import LabsError

if TYPE_CHECKING:
    from labs.cluster import Cluster

# gRPC would start threads anew in a forked child, and a process with threads may not make a user namespace
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A `$XDG_STATE_HOME` of this test process, so that no test sees or touches a person's clusters."""
    home = tmp_path_factory.mktemp("state")
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(home)
    yield str(home)
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before


@contextmanager
def booted(**options: object) -> Iterator[Cluster]:
    """A cluster of its own name, up; down again whatever happens."""
    from labs.cluster import Cluster

    lacking = _lacking_for_kind(options) if options.get("backend") == "kind" else _lacking_for_embedded()
    if lacking:
        pytest.skip(lacking)
    cluster = Cluster.up(f"t{uuid.uuid4().hex[:8]}", **options)  # type: ignore[arg-type]
    try:
        yield cluster
    finally:
        cluster.down()


def _lacking_for_embedded() -> str:
    from labs.nodes.doctor import needs

    lacking = [need for need in needs() if not need.ok and need.required]
    return f"no embedded node here: {lacking[0].name}: {lacking[0].found}" if lacking else ""


def _lacking_for_kind(options: dict[str, object]) -> str:
    from labs.nodes.image import node_image
    from labs.nodes.kind import daemon

    try:
        image = node_image(daemon.connect(), lambda _: None)
    except LabsError as error:
        return f"no kind node here: {error}"
    if {"real", "kubelet"} & set(options.values()) and not image.real:
        return f"no real components in {image.tag}: labs node-image build --from-debian --real DIR"
    return ""


#: What clusters are made of, as options of `Cluster.up`: what is taught must hold on each.
BACKENDS = [
    pytest.param({}, id="embedded"),
    *(
        pytest.param({"backend": "kind", **options}, id=name, marks=pytest.mark.long)
        for name, options in {
            "kind": {},
            "kind-real-control-plane": {"control_plane": "real"},
            "kind-real-kubelet": {"engine": "kubelet", "control_plane": "real"},
            "kind-real-kubelet-bundled-control-plane": {"engine": "kubelet", "control_plane": "bundled"},
        }.items()
    ),
]


@pytest.fixture(scope="module", params=BACKENDS)
def each_backend(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of each backend, engine and control plane, for tests that leave it as they found it."""
    if not request.param:
        yield request.getfixturevalue("shared_cluster")
        return
    with booted(**request.param) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """One running cluster per test process, for tests that leave it as they found it."""
    with booted() as cluster:
        yield cluster


@pytest.fixture
def fresh_cluster() -> Iterator[Cluster]:
    """A cluster for one test alone, which may break it."""
    with booted() as cluster:
        yield cluster


@pytest.fixture
def boot() -> Iterator[Callable[..., Cluster]]:
    """Boot as many clusters as the test asks for; all are down afterwards."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(booted(**options))
