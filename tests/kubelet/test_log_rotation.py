"""Container logs that grow too large."""

import asyncio
import gzip
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cri_api.v1 import api_pb2 as api

from labs.kubelet.config import ConfigError, KubeletConfig, LogLimits
from labs.kubelet.container_logs import LogOptions, read_log
from labs.kubelet.cri import CriError
from labs.kubelet.hostfs import HostFs
from labs.kubelet.log_rotation import LogRotation
from tests.kubelet.node import START

LINE = b"2026-11-23T17:55:13.000000001Z stdout F hello\n"


class Runtime:
    """One running container whose log is at /0.log."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "0.log"
        self.reopened = 0
        self.refuses = False
        self.log.write_bytes(LINE * 10)

    async def list_containers(self, labels: dict[str, str] | None = None) -> list[api.Container]:
        return [api.Container(id="c", state=api.CONTAINER_RUNNING)]

    async def container_status(self, container: str) -> api.ContainerStatus:
        return api.ContainerStatus(id=container, log_path="/0.log")

    async def reopen_log(self, container: str) -> None:
        if self.refuses:
            raise CriError("Unknown", "no")
        self.reopened += 1
        self.log.touch()


class Rotating:
    """A rotation by hand; every check is a minute after the last."""

    def __init__(self, folder: Path, files: int = 5) -> None:
        self.folder = folder
        self.runtime = Runtime(folder)
        self._minutes = 0
        self._rotation = LogRotation(
            self.runtime, HostFs(str(folder)), LogLimits(100, files), lambda: self._now
        )

    @property
    def _now(self) -> datetime:
        return START + timedelta(minutes=self._minutes)

    def check(self) -> None:
        asyncio.run(self._rotation.check())
        self._minutes += 1

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def rotating(tmp_path: Path) -> Rotating:
    return Rotating(tmp_path)


def test_a_log_that_is_too_large_is_moved_aside(rotating: Rotating) -> None:
    rotating.check()

    assert rotating.files == ["0.log", "0.log.20261123-175513"]
    assert rotating.runtime.reopened == 1


def test_a_small_log_is_left_alone(rotating: Rotating) -> None:
    rotating.runtime.log.write_bytes(LINE)
    rotating.check()

    assert rotating.files == ["0.log"]


def test_all_but_the_latest_are_compressed_and_only_so_many_kept(tmp_path: Path) -> None:
    rotating = Rotating(tmp_path, files=4)
    for number in range(5):
        rotating.runtime.log.write_bytes(LINE * 9 + b"%d\n" % number)
        rotating.check()

    assert rotating.files == [
        "0.log",
        "0.log.20261123-175713.gz",
        "0.log.20261123-175813.gz",
        "0.log.20261123-175913",
    ]
    assert gzip.decompress((tmp_path / "0.log.20261123-175713.gz").read_bytes()).endswith(b"2\n")


def test_what_the_runtime_does_not_reopen_stays_where_it_was(
    rotating: Rotating, capsys: pytest.CaptureFixture[str]
) -> None:
    rotating.runtime.refuses = True

    rotating.check()

    assert rotating.files == ["0.log"]
    why = 'err="rpc error: code = Unknown desc = no" containerID="c"'
    assert f'"Failed to rotate log for container" {why}' in capsys.readouterr().err


def test_a_log_that_is_missing_is_opened_anew(rotating: Rotating) -> None:
    rotating.runtime.log.unlink()
    rotating.check()

    assert rotating.runtime.reopened == 1


def test_following_goes_on_in_the_new_file(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(LINE)
    seen: list[bytes] = []

    async def follow() -> None:
        fs, options = HostFs(str(tmp_path)), LogOptions(follow=True)
        async for text in read_log(fs, "/0.log", options, lambda: len(seen) < 2):
            seen.append(text)
            if len(seen) == 1:
                log.rename(tmp_path / "0.log.old")
                log.write_bytes(LINE.replace(b"hello", b"again"))

    asyncio.run(asyncio.wait_for(follow(), 20))

    assert seen == [b"hello\n", b"again\n"]


def test_limits_come_from_the_file() -> None:
    head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
    text = f"{head}containerLogMaxSize: 1Mi\ncontainerLogMaxFiles: 3\ncontainerLogMonitorInterval: 5s\n"

    assert KubeletConfig.from_file(text.encode(), "/c").log_limits == LogLimits(1 << 20, 3, 5)
    with pytest.raises(ConfigError, match="quantities must match"):
        KubeletConfig.from_file(f"{head}containerLogMaxSize: much\n".encode(), "/c")
