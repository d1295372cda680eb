"""What stands in the way of an image, each in one line that says what to do."""

import errno
import lzma
import os
import platform
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest
from docker.errors import APIError

from labs.nodes import image
from labs.nodes.image import debian, names, pull
from labs.nodes.image.errors import ImageBuildError, NoImageError, explained
from labs.nodes.image.lock import one_at_a_time
from labs.nodes.image.real import PROGRAMS, RealPrograms, plain
from tests import docker
from tests.docker import requires_docker


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory of programs, of which one is compressed."""
    for name in PROGRAMS[1:]:
        (tmp_path / name).write_text(name)
    with lzma.open(tmp_path / f"{PROGRAMS[0]}.xz", "w") as file:
        file.write(b"the kubelet")
    return tmp_path


def test_programs_are_found_plain_and_compressed(
    programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    real = RealPrograms.of(programs)

    assert set(real.files) == set(PROGRAMS)
    assert plain(real.files["kubelet"], tmp_path_factory.mktemp("plain")).read_bytes() == b"the kubelet"
    assert plain(real.files["crictl"], programs) == programs / "crictl"


def test_a_missing_program_is_named(programs: Path) -> None:
    (programs / "kube-scheduler").unlink()

    with pytest.raises(ImageBuildError, match=r"has neither kube-scheduler nor kube-scheduler\.xz"):
        RealPrograms.of(programs)


def test_a_broken_archive_is_named(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (programs / "kubelet.xz").write_bytes((programs / "kubelet.xz").read_bytes()[:-20])

    with pytest.raises(ImageBuildError, match=r"kubelet\.xz cannot be unpacked"):
        plain(RealPrograms.of(programs).files["kubelet"], tmp_path_factory.mktemp("plain"))


def test_other_programs_are_another_image(programs: Path) -> None:
    before = RealPrograms.of(programs).digest
    (programs / "crictl").write_text("another one")

    assert RealPrograms.of(programs).digest not in ("", before, RealPrograms().digest)


def test_an_image_with_programs_is_not_built_again_without_them() -> None:
    with pytest.raises(ImageBuildError, match=r"labs node-image build --from-debian --real DIR"):
        RealPrograms("digest").require()


def test_packages_of_debian_need_a_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "fedora", "NAME": "Fedora Linux"})

    with pytest.raises(ImageBuildError, match=r"needs a Debian machine, and this is Fedora Linux"):
        debian.debian_recipe()


def test_packages_are_unpacked_by_root_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(ImageBuildError, match=r"needs root.*sudo"):
        debian.require_tools()


def test_mmdebstrap_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ImageBuildError, match=r"apt-get install mmdebstrap"):
        debian.require_tools()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        APIError("500", explanation="write: no space left on device"),
    ],
)
def test_a_full_disk_is_called_so(error: Exception) -> None:
    with pytest.raises(ImageBuildError, match=r"^the disk is full: make room"), explained(Mock()):
        raise error


def test_what_docker_refuses_is_told_in_its_words_on_one_line() -> None:
    with (
        pytest.raises(ImageBuildError, match=r"could not build the node image: no such thing$"),
        explained(Mock()),
    ):
        raise APIError("404 Client Error", explanation="no such\n thing")


@requires_docker
def test_an_unreachable_registry_is_told_with_the_way_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"localhost:1/kindest/node:v0@sha256:{64 * '0'}"
    monkeypatch.setattr(pull, "KINDEST", nowhere)
    said: list[str] = []

    with pytest.raises(ImageBuildError, match=r"^cannot pull localhost:1/kindest/node:v0 \(.*--from-debian"):
        pull.pull_kindest(docker.client(), said.append)

    assert said == ["pulling localhost:1/kindest/node:v0"]


@requires_docker
def test_an_image_that_is_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(names.VARIABLE, "nobody/has:this")

    with pytest.raises(
        NoImageError, match=r"\$CKS_LABS_NODE_IMAGE names nobody/has:this, which Docker does not have"
    ):
        image.node_image(docker.client(), print)


def test_real_programs_go_over_debians_packages_only(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "labs", "node-image", "build", "--real", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 2
    assert said.stderr == "labs: --real goes with --from-debian: kind's image has the real programs\n"


def test_a_build_waits_for_another_one_and_says_so() -> None:
    told: queue.Queue[str] = queue.Queue()

    def build() -> None:
        with one_at_a_time(told.put):
            told.put("building")

    with ThreadPoolExecutor() as threads:
        with one_at_a_time(told.put):
            second = threads.submit(build)
            assert told.get() == "waiting for another build of the node image"
            assert told.empty()
        second.result()

    assert told.get() == "building"
