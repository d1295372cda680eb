"""The layout that containerd imports: complete, by digest, and the same for the same content."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from labs.nodes.image.oci import Layout

NAME = "registry.example/web:1.0"


def tree(directory: Path, when: float = 1e9) -> Path:
    """A directory with a module, its data and a hard link to it."""
    directory.mkdir()
    for name in ("web.py", "data"):
        (directory / name).write_text(name)
        os.utime(directory / name, (1e9, 1e9 if name == "web.py" else when))
    (directory / "again").hardlink_to(directory / "data")
    return directory


def archive(layout: Layout) -> dict[str, bytes]:
    """The files of the archive, by name."""
    stream = io.BytesIO()
    layout.write(stream)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as members:
        return {each.name: members.extractfile(each).read() for each in members if each.isfile()}  # type: ignore[union-attr]


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    """What a descriptor stands for, when it is really that."""
    content = files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
    assert len(content) == descriptor["size"]
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == descriptor["digest"]
    return content


def test_an_image_can_be_followed_from_the_index_to_its_files(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layer = layout.add_layer(tree(tmp_path / "root"))
    layout.add_image([NAME], {"Cmd": ["serve"]}, [layer])

    files = archive(layout)

    manifest = json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))
    config = json.loads(blob(files, manifest["config"]))
    assert config["config"] == {"Cmd": ["serve"]}
    assert config["rootfs"]["diff_ids"] == [layer.digest]
    with tarfile.open(fileobj=io.BytesIO(blob(files, manifest["layers"][0]))) as members:
        assert {"./web.py", "./data", "./again"} < set(members.getnames())


def test_an_image_has_its_name_and_its_digest_as_one_that_was_pulled(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.add_image([NAME], {}, [])

    manifests = json.loads(archive(layout)["index.json"])["manifests"]

    names = [each["annotations"]["io.containerd.image.name"] for each in manifests]
    assert names == [NAME, f"registry.example/web@{manifests[0]['digest']}"] == layout.names


def test_the_same_files_are_the_same_layer_whoever_wrote_them_and_when(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    first = tree(tmp_path / "first")
    second = tree(tmp_path / "second", when=1.5e9)
    if os.geteuid() == 0:
        os.chown(second / "data", 1000, 1000)

    assert layout.add_layer(first) == layout.add_layer(second)
    assert len(layout.layers) == 1


def test_a_module_keeps_its_time_for_what_is_compiled_from_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    digest = layout.add_layer(tree(tmp_path / "root")).digest

    with tarfile.open(layout.directory / "blobs" / digest.replace(":", "/")) as members:
        assert {each.name: each.mtime for each in members} == {
            ".": 0,
            "./again": 0,
            "./data": 0,
            "./web.py": 1e9,
        }


def test_a_hard_link_is_not_a_second_copy(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    digest = layout.add_layer(tree(tmp_path / "root")).digest

    with tarfile.open(layout.directory / "blobs" / digest.replace(":", "/")) as members:
        assert [each.name for each in members if each.islnk()] == ["./data"]


def test_images_of_the_same_content_stay_two(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layer = layout.add_layer(tree(tmp_path / "root"))
    for name in ("registry.example/box:1", "registry.example/box:2"):
        layout.add_image([name], {}, [layer])

    manifests = json.loads(archive(layout)["index.json"])["manifests"]

    assert len({each["digest"] for each in manifests}) == 2
