"""The manifests directory: facts 7-14 and 17."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.manifest import Version, pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.pod_workers import TURN_RETRY
from labs.kubelet.sources.file import Change, FileSource
from tests.kubelet.node import MANIFESTS, manifest, node
from tests.kubelet.virtual_time import virtual

NOT_A_POD = "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: bad\n"


def scan(root: Path, path: str = "/manifests") -> list[str]:
    """The names one scan of a directory publishes."""
    published: list[list[Pod]] = []
    FileSource(HostFs(str(root)), path, "n", 20, published.append).scan()
    return [pod.name.removesuffix("-n") for pod in published[-1]]


class Watched:
    """A source that follows what happens to its path, and the names it has published."""

    def __init__(self, root: Path, path: str, period: float = 20) -> None:
        self.published: list[list[str]] = []
        self.source = FileSource(HostFs(str(root)), path, "n", period, self._publish)

    def _publish(self, pods: list[Pod]) -> None:
        self.published.append(sorted(pod.name.removesuffix("-n") for pod in pods))

    async def settled(self) -> list[str]:
        """What was published last, a second later."""
        await asyncio.sleep(1)
        return self.published[-1]


@asynccontextmanager
async def watched(root: Path, path: str = "/manifests", period: float = 20) -> AsyncIterator[Watched]:
    it = Watched(root, path, period)
    task = asyncio.create_task(it.source.run())
    await asyncio.sleep(0.1)
    try:
        yield it
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    return folder


def write(folder: Path, file: str, name: str) -> None:
    (folder / file).write_text(yaml.safe_dump(manifest(name)))


def test_fact_02_the_path_may_be_a_single_file(tmp_path: Path, manifests: Path) -> None:
    write(manifests, "one.yaml", "one")
    write(manifests, "two.yaml", "two")

    assert scan(tmp_path, "/manifests/one.yaml") == ["one"]


def test_a_scan_decodes_only_what_has_changed(tmp_path: Path, manifests: Path) -> None:
    write(manifests, "same.yaml", "same")
    write(manifests, "other.yaml", "other")
    published: list[list[Pod]] = []
    source = FileSource(HostFs(str(tmp_path)), "/manifests", "n", 20, published.append)

    source.scan()
    write(manifests, "other.yaml", "changed")
    source.scan()

    (_, before), (after_other, after) = published
    assert after is before
    assert after_other.name == "changed-n"


@virtual
async def test_fact_07_a_new_file_is_noticed_at_once(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())

        assert await n.until(n.running) < 0.2


@virtual
async def test_fact_07_what_inotify_misses_the_periodic_scan_finds(tmp_path: Path) -> None:
    target = tmp_path / "srv.yaml"
    target.write_text(yaml.safe_dump(manifest()))
    async with node(tmp_path, file_check_frequency=20.0) as n:
        n.path("link.yaml").symlink_to("/srv.yaml")
        old = (await n.runs()).id

        target.write_text(yaml.safe_dump(manifest(container={"image": "busybox:1.37"})))
        took = await n.until(lambda: (c := n.running()) and c[0].id != old)

        assert 15 < took < 23 + TURN_RETRY


def test_fact_08_every_name_but_dotted_ones_is_read_in_order(tmp_path: Path, manifests: Path) -> None:
    for file, name in (
        ("plain", "a"),
        ("x.txt", "b"),
        (".hidden.yaml", "c"),
        ("y.yaml~", "d"),
        ("k.yaml.bak", "e"),
        ("00.orig", "f"),
    ):
        write(manifests, file, name)

    assert scan(tmp_path) == ["f", "e", "a", "b", "d"]


def test_fact_08_directories_and_sockets_are_logged_and_skipped(
    tmp_path: Path, manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (manifests / "sub").mkdir()
    write(manifests / "sub", "s.yaml", "inner")
    write(manifests, "web.yaml", "web")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(manifests / "sock"))

        assert scan(tmp_path) == ["web"]

    logged = capsys.readouterr().err
    message = (
        '"Provided manifest path is a directory, not recursing into manifest path" path="/manifests/sub"'
    )
    assert f"file.go:182] {message}" in logged
    assert "Manifest path is not a directory or file" in logged


def test_fact_08_symlinks_are_followed(tmp_path: Path, manifests: Path) -> None:
    write(tmp_path, "outside.yaml", "web")
    (manifests / "link.yaml").symlink_to("/outside.yaml")

    assert scan(tmp_path) == ["web"]


def test_fact_09_one_bad_file_does_not_stop_the_others(
    tmp_path: Path, manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (manifests / "bad.yaml").write_text(NOT_A_POD)
    write(manifests, "web.yaml", "web")

    assert scan(tmp_path) == ["web"]

    assert (
        'file.go:187] "Could not process manifest file" err="/manifests/bad.yaml: couldn\'t parse as '
        "pod(yaml: line 4: "
        'found character that cannot start any token), please check config file" path="/manifests/bad.yaml"'
    ) in capsys.readouterr().err


def test_fact_10_a_missing_path_is_an_empty_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan(tmp_path, "/nowhere") == []

    assert "path does not exist, ignoring" in capsys.readouterr().err


@virtual
async def test_fact_10_a_directory_that_comes_back_is_watched_again(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        folder, aside = tmp_path / MANIFESTS[1:], tmp_path / "aside"

        folder.rename(aside)
        await n.until(lambda: not n.running(), 25)
        aside.rename(folder)

        assert await n.until(n.running) <= 21


def test_fact_11_a_trailing_slash_does_not_matter(tmp_path: Path, manifests: Path) -> None:
    write(manifests, "web.yaml", "web")

    assert scan(tmp_path, "/manifests/") == ["web"]


@virtual
async def test_fact_12_removing_a_file_removes_its_pod(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()

        n.path("web.yaml").rename(tmp_path / "tmp/away")

        assert await n.until(lambda: not n.running()) < 1.2


@virtual
async def test_fact_13_a_file_that_breaks_runs_on_until_the_next_scan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        await asyncio.sleep(1)
        n.put("web.yaml", manifest())
        await n.runs()

        n.put("web.yaml", NOT_A_POD)
        took = await n.until(lambda: not n.running())

        assert 15 < took < 21
        assert (
            'file.go:108] "Unable to process watch event" err="can\'t process config file '
            f'\\"{MANIFESTS}/web.yaml\\": {MANIFESTS}/web.yaml: couldn\'t parse as pod('
        ) in capsys.readouterr().err


def test_fact_14_of_two_files_with_one_pod_the_last_by_name_wins_a_scan(
    tmp_path: Path, manifests: Path
) -> None:
    published: list[list[Pod]] = []
    source = FileSource(HostFs(str(tmp_path)), "/manifests", "n", 20, published.append)
    for file, image in (("web.yaml", "busybox:1.37"), ("web.yaml.bak", "busybox:1.36")):
        (manifests / file).write_text(yaml.safe_dump(manifest(container={"image": image})))

    source.scan()

    assert [pod.containers[0].image for pod in published[-1]] == ["busybox:1.36"]


@virtual
async def test_fact_14_an_edit_beside_a_backup_is_applied_then_reverted(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        n.put("web.yaml.bak", manifest())
        await asyncio.sleep(25)

        n.put("web.yaml", manifest(container={"image": "busybox:1.37"}))
        applied = await n.until(lambda: n.status().get("image", "").endswith("1.37"))
        reverted = await n.until(lambda: n.status().get("image", "").endswith("1.36"))

        assert applied < 3 + TURN_RETRY
        assert reverted < 22 + TURN_RETRY


@virtual
async def test_fact_14_an_edit_soon_after_the_copy_is_applied_before_the_copy_was_ever_run(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        first = await n.runs()
        n.put("web.yaml.bak", manifest())
        await asyncio.sleep(3.5)

        n.put("web.yaml", manifest(container={"image": "busybox:1.37"}))
        await n.until(lambda: (c := n.running()) and c[0].id != first.id)

        assert n.running()[0].image.image.endswith("1.37")


@virtual
async def test_fact_17_a_file_written_slowly_in_place_ends_up_running(tmp_path: Path) -> None:
    text = yaml.safe_dump(manifest())
    async with node(tmp_path) as n:
        with n.path("web.yaml").open("w") as file:
            for start in range(0, len(text), 100):
                file.write(text[start : start + 100])
                file.flush()
                await asyncio.sleep(0.1)

        assert await n.until(n.running) < 1 + TURN_RETRY


def test_links_lead_nowhere_outside_the_nodes_tree(tmp_path: Path, manifests: Path) -> None:
    secret = tmp_path.parent / f"{tmp_path.name}-outside.yaml"
    secret.write_text(yaml.safe_dump(manifest("outside")))
    (manifests / "absolute.yaml").symlink_to(secret)
    (manifests / "relative.yaml").symlink_to(f"../../{secret.name}")

    assert scan(tmp_path) == []


@virtual
async def test_fact_12_what_happens_to_a_file_is_followed_without_a_scan(
    tmp_path: Path, manifests: Path
) -> None:
    (tmp_path / "outside").mkdir()
    async with watched(tmp_path, period=10_000) as it:
        assert it.published == [[]]
        write(manifests, "a.yaml", "a")
        assert await it.settled() == ["a"]

        (manifests / "a.yaml").rename(manifests / "b.yaml")
        assert await it.settled() == ["a"]

        (manifests / "b.yaml").rename(tmp_path / "outside/b.yaml")
        assert await it.settled() == []

        (tmp_path / "outside/b.yaml").rename(manifests / "b.yaml")
        assert await it.settled() == ["a"]

        seen = len(it.published)
        (manifests / "b.yaml").chmod(0o600)
        assert (await it.settled(), len(it.published)) == (["a"], seen + 1)

        (manifests / "b.yaml").unlink()
        assert await it.settled() == []


@virtual
async def test_fact_12_dotted_names_directories_and_what_was_never_there_change_nothing(
    tmp_path: Path, manifests: Path
) -> None:
    async with watched(tmp_path, period=10_000) as it:
        write(manifests, ".hidden.yaml", "hidden")
        (manifests / "sub").mkdir()
        (manifests / ".hidden.yaml").unlink()
        (manifests / "sub").rmdir()
        await it.settled()

        assert it.published == [[]]


def test_fact_12_a_delete_removes_the_pod_that_this_file_last_produced(
    tmp_path: Path, manifests: Path
) -> None:
    it = Watched(tmp_path, "/manifests")
    write(manifests, "a.yaml", "one")
    it.source.scan()
    write(manifests, "a.yaml", "two")
    it.source.apply("/manifests/a.yaml", Change.WRITTEN)
    assert it.published[-1] == ["one", "two"]

    (manifests / "a.yaml").unlink()
    it.source.apply("/manifests/a.yaml", Change.GONE)
    assert it.published[-1] == ["one"]

    it.source.apply("/manifests/a.yaml", Change.GONE)
    assert len(it.published) == 3
    it.source.scan()
    assert it.published[-1] == []


def test_fact_12_a_file_that_is_written_again_is_read_again(tmp_path: Path, manifests: Path) -> None:
    it = Watched(tmp_path, "/manifests")
    for name in ("one", "two", "one"):
        write(manifests, "a.yaml", name)
        it.source.apply("/manifests/a.yaml", Change.WRITTEN)

    assert it.published == [["one"], ["one", "two"], ["one", "two"]]


@virtual
async def test_fact_02_of_a_single_file_only_what_happens_to_it_counts(
    tmp_path: Path, manifests: Path
) -> None:
    write(manifests, "web.yaml", "web")
    async with watched(tmp_path, "/manifests/web.yaml", period=10_000) as it:
        assert it.published == [["web"]]
        write(manifests, "other.yaml", "other")
        assert (await it.settled(), len(it.published)) == (["web"], 1)

        write(manifests, "web.yaml", "new")
        assert await it.settled() == ["new", "web"]
        (manifests / "web.yaml").unlink()
        assert await it.settled() == ["web"]


@virtual
async def test_fact_02_a_single_file_may_lie_in_the_root(tmp_path: Path) -> None:
    write(tmp_path, "web.yaml", "web")
    async with watched(tmp_path, "/web.yaml", period=10_000) as it:
        write(tmp_path, "web.yaml", "new")

        assert await it.settled() == ["new", "web"]


@virtual
async def test_fact_07_the_path_is_scanned_at_once_and_then_in_its_period(
    tmp_path: Path, manifests: Path
) -> None:
    write(manifests, "web.yaml", "web")
    async with watched(tmp_path) as it:
        assert it.published == [["web"]]
        await asyncio.sleep(99)

        assert it.published == [["web"]] * 5


@virtual
async def test_fact_10_a_path_that_appears_is_watched_within_a_second(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with watched(tmp_path, period=10_000) as it:
        assert it.published == [[]]
        folder = tmp_path / "manifests"
        folder.mkdir()
        await asyncio.sleep(1.1)

        write(folder, "web.yaml", "web")

        assert await it.settled() == ["web"]
        assert "file_linux.go" not in capsys.readouterr().err


def test_fact_10_of_a_missing_path_the_log_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scan(tmp_path, "/nowhere") == []

    line = 'file.go:100] "Unable to read config path" err="path does not exist, ignoring" path="/nowhere"'
    assert line in capsys.readouterr().err


def test_what_is_neither_file_nor_directory_leaves_the_pods_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    it = Watched(tmp_path, "/pods")
    write(tmp_path, "pods", "web")
    it.source.scan()
    (tmp_path / "pods").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "pods"))

        it.source.scan()

    assert it.published == [["web"]]
    assert '"Unable to read config path" err="path is not a directory or file" path="/pods"' in (
        capsys.readouterr().err
    )


def test_a_single_file_that_is_no_pod_leaves_the_pods_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    it = Watched(tmp_path, "/web.yaml")
    write(tmp_path, "web.yaml", "web")
    it.source.scan()
    (tmp_path / "web.yaml").write_text(NOT_A_POD)

    it.source.scan()

    assert it.published == [["web"]]
    assert 'file.go:100] "Unable to read config path" err="/web.yaml: couldn' in capsys.readouterr().err


def test_fact_08_a_link_to_nothing_is_told_and_skipped(
    tmp_path: Path, manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (manifests / "gone.yaml").symlink_to("nothing")
    write(manifests, "web.yaml", "web")

    assert scan(tmp_path) == ["web"]

    path = "/manifests/gone.yaml"
    why = f"stat {path}: no such file or directory"
    assert f'file.go:176] "Could not get metadata" err="{why}" path="{path}"' in capsys.readouterr().err


def test_fact_09_a_bad_file_is_told_at_each_scan_and_its_neighbours_stay(
    tmp_path: Path, manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    it = Watched(tmp_path, "/manifests")
    (manifests / "bad.yaml").write_text(NOT_A_POD)
    for name in ("a", "z"):
        write(manifests, f"{name}.yaml", name)

    it.source.scan()
    it.source.scan()

    assert it.published == [["a", "z"]] * 2
    assert capsys.readouterr().err.count("Could not process manifest file") == 2


def test_a_file_on_which_decoding_breaks_is_told_as_a_panic_and_its_neighbours_stay(
    tmp_path: Path,
    manifests: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def decode(data: bytes, path: str, node_name: str, version: Version) -> Pod:
        if path.endswith("breaks.yaml"):
            raise KeyError("spec")
        return pod_from_file(data, path, node_name, version)

    monkeypatch.setattr("labs.kubelet.sources.file.pod_from_file", decode)
    write(manifests, "breaks.yaml", "breaks")
    write(manifests, "web.yaml", "web")

    assert scan(tmp_path) == ["web"]

    said, path = capsys.readouterr().err, "/manifests/breaks.yaml"
    assert f'runtime.go:142] "Observed a panic" err="KeyError(\'spec\')" path="{path}"' in said
    why = f"{path}: KeyError('spec')"
    assert f'file.go:187] "Could not process manifest file" err="{why}" path="{path}"' in said


def test_a_file_that_cannot_be_opened_is_told_in_gos_words(
    tmp_path: Path, manifests: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: HostFs, path: str, limit: int = -1) -> bytes:
        raise OSError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(HostFs, "read_bytes", refuse)
    write(manifests, "web.yaml", "web")

    assert scan(tmp_path) == []

    path = "/manifests/web.yaml"
    line = f'file.go:187] "Could not process manifest file" err="open {path}: permission denied"'
    assert f'{line} path="{path}"' in capsys.readouterr().err
