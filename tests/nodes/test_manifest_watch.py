"""What a student does to the manifests directory, as it is recorded from outside the node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from labs.nodes.manifest_watch import Manifest, ManifestWatch

from .conftest import in_a_loop

Change = tuple[str, Manifest | None]


class Watched:
    """A rootfs under watch, and the changes that were noticed."""

    def __init__(self, rootfs: Path) -> None:
        self.directory = rootfs / "etc/kubernetes/manifests"
        self.queue: asyncio.Queue[Change] = asyncio.Queue()

    def notice(self, path: str, manifest: Manifest | None) -> None:
        self.queue.put_nowait((path, manifest))

    async def next(self) -> tuple[str, str | None]:
        """The name and content of the next change; None for a removal."""
        async with asyncio.timeout(5):
            path, manifest = await self.queue.get()
        return path.removeprefix("/etc/kubernetes/manifests/"), manifest and (manifest.content or "")


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    (tmp_path / "etc/kubernetes/manifests").mkdir(parents=True)
    (tmp_path / "root").mkdir()
    return tmp_path


@asynccontextmanager
async def watching(rootfs: Path) -> AsyncIterator[Watched]:
    watched = Watched(rootfs)
    with ManifestWatch(rootfs, watched.notice) as watch:
        running = asyncio.create_task(watch.run())
        await asyncio.sleep(0)
        yield watched
        running.cancel()


@in_a_loop
async def test_what_lies_there_at_the_start_is_recorded_first(rootfs: Path) -> None:
    (rootfs / "etc/kubernetes/manifests/a.yaml").write_text("a")
    async with watching(rootfs) as watched:
        assert await watched.next() == ("a.yaml", "a")


@in_a_loop
async def test_a_written_file_is_recorded_with_its_content_and_digest(rootfs: Path) -> None:
    async with watching(rootfs) as watched:
        (watched.directory / "a.yaml").write_text("kind: Pod\n")
        path, manifest = await watched.queue.get()

    assert path == "/etc/kubernetes/manifests/a.yaml"
    assert manifest is not None
    assert manifest.sha256 == sha256(b"kind: Pod\n").hexdigest()


@in_a_loop
async def test_a_file_is_recorded_once_however_it_is_written(rootfs: Path) -> None:
    async with watching(rootfs) as watched:
        with (watched.directory / "a.yaml").open("w") as file:
            for part in ("one\n", "two\n"):
                file.write(part)
                file.flush()
        (watched.directory / "b.yaml").write_text("b")

        assert [await watched.next(), await watched.next()] == [("a.yaml", "one\ntwo\n"), ("b.yaml", "b")]


@in_a_loop
async def test_moving_out_and_in_is_a_removal_and_a_new_file(rootfs: Path) -> None:
    (rootfs / "etc/kubernetes/manifests/a.yaml").write_text("a")
    async with watching(rootfs) as watched:
        await watched.next()
        (watched.directory / "a.yaml").rename(rootfs / "root/a.yaml")
        assert await watched.next() == ("a.yaml", None)
        (rootfs / "root/a.yaml").rename(watched.directory / "a.yaml")
        assert await watched.next() == ("a.yaml", "a")


@in_a_loop
async def test_hidden_files_are_ignored_as_by_the_kubelet(rootfs: Path) -> None:
    async with watching(rootfs) as watched:
        (watched.directory / ".a.yaml.swp").write_text("x")
        (watched.directory / "a.yaml").write_text("a")

        assert await watched.next() == ("a.yaml", "a")


@in_a_loop
async def test_the_directory_itself_may_be_replaced(rootfs: Path) -> None:
    (rootfs / "etc/kubernetes/manifests/a.yaml").write_text("a")
    async with watching(rootfs) as watched:
        await watched.next()
        watched.directory.rename(rootfs / "root/manifests")
        assert await watched.next() == ("a.yaml", None)
        watched.directory.mkdir()
        await asyncio.sleep(0.05)
        (watched.directory / "b.yaml").write_text("b")
        assert await watched.next() == ("b.yaml", "b")


@in_a_loop
async def test_a_link_is_followed_inside_the_node_and_never_out_of_it(rootfs: Path) -> None:
    (rootfs / "root/real.yaml").write_text("real")
    async with watching(rootfs) as watched:
        (watched.directory / "host.yaml").symlink_to("/etc/passwd")
        (watched.directory / "up.yaml").symlink_to("../" * 20 + "etc/passwd")
        (watched.directory / "link.yaml").symlink_to("/root/real.yaml")

        assert await watched.next() == ("link.yaml", "real")


@pytest.mark.parametrize("kind", ["pipe", "directory", "huge"])
@in_a_loop
async def test_what_is_no_manifest_is_recorded_without_content(rootfs: Path, kind: str) -> None:
    thing = rootfs / "root/thing"
    if kind == "pipe":
        os.mkfifo(thing)
    elif kind == "directory":
        thing.mkdir()
    else:
        with thing.open("w") as file:
            file.truncate(1 << 40)
    async with watching(rootfs) as watched:
        thing.rename(watched.directory / "thing")

        assert await watched.next() == ("thing", "")


@in_a_loop
async def test_the_same_content_in_a_new_file_is_a_change(rootfs: Path) -> None:
    async with watching(rootfs) as watched:
        (watched.directory / "a.yaml").write_text("a")
        assert await watched.next() == ("a.yaml", "a")
        (rootfs / "root/a.yaml").write_text("a")
        (rootfs / "root/a.yaml").rename(watched.directory / "a.yaml")
        assert await watched.next() == ("a.yaml", "a")
