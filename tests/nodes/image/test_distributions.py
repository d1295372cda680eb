"""Which libraries a node gets: what its programs import, and all that those require."""

from pathlib import Path

import pytest

from labs.nodes.image.distributions import OF_A_NODE, OF_THE_CONTROL_PLANE, closure
from labs.nodes.image.errors import ImageBuildError
from labs.nodes.image.wheels import NodePython, fetch, subset
from labs.runtime.places import SOURCE

BOOKWORM = NodePython(version="3.11.2", machine="x86_64", glibc="2.36")
TRIXIE_ON_ARM = NodePython(version="3.13.5", machine="aarch64", glibc="2.41")

LOCK = """\
aiohttp==3.14.5 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cccc
yarl==1.25.1 \\
    --hash=sha256:dddd
"""


def test_a_closure_has_what_is_required_by_what_is_required() -> None:
    assert {"aiohttp", "yarl", "multidict"} <= closure(["aiohttp"])


def test_a_closure_has_only_what_the_nodes_python_needs() -> None:
    assert "typing-extensions" in closure(["aiosignal"], BOOKWORM.markers)
    assert "typing-extensions" not in closure(["aiosignal"], TRIXIE_ON_ARM.markers)


def test_nothing_of_the_course_is_on_a_node() -> None:
    assert not {"jupyterlab", "nbgrader", "docker", "rich"} & closure(OF_A_NODE, BOOKWORM.markers)


def test_an_image_of_the_control_plane_has_less_than_a_node() -> None:
    assert closure(OF_THE_CONTROL_PLANE) < closure(OF_A_NODE)


@pytest.mark.parametrize("python", [BOOKWORM, TRIXIE_ON_ARM])
def test_the_lock_file_has_all_that_a_node_needs(python: NodePython) -> None:
    names = closure(OF_A_NODE, python.markers)

    entries = subset((SOURCE / "requirements.lock").read_text(), names, python.markers)

    assert entries.count("==") == len(names)


def test_a_part_of_a_lock_file_keeps_versions_and_hashes() -> None:
    assert subset(LOCK, {"aiohttp"}, BOOKWORM.markers) == LOCK[: LOCK.index("colorama")]


def test_an_entry_for_another_system_counts_as_missing() -> None:
    with pytest.raises(ImageBuildError, match=r"requirements.lock does not have colorama: run `make lock`"):
        subset(LOCK, {"aiohttp", "colorama"}, BOOKWORM.markers)


def test_wheels_for_the_newest_c_library_are_preferred() -> None:
    platforms = BOOKWORM.platforms

    assert platforms[0] == "manylinux_2_36_x86_64"
    assert platforms.index("manylinux_2_28_x86_64") < platforms.index("manylinux_2_17_x86_64")
    assert "manylinux_2_37_x86_64" not in platforms


def test_a_library_that_cannot_be_fetched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)

    with (
        pytest.raises(ImageBuildError, match=r"for Python 3.13: No matching distribution found for \S+==\S+"),
        fetch(SOURCE / "requirements.lock", TRIXIE_ON_ARM),
    ):
        pass
