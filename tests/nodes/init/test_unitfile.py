"""Unit files mean what they mean to systemd."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.nodes.init import unitfile
from labs.nodes.init.files import NodeFiles

UNIT = "etc/systemd/system/kubelet.service"


@pytest.fixture
def files(tmp_path: Path) -> Iterator[NodeFiles]:
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield NodeFiles(root)
    os.close(root)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def load(files: NodeFiles) -> unitfile.UnitFile:
    unit = unitfile.load(files, "kubelet.service")
    assert unit is not None
    return unit


def test_drop_ins_apply_in_the_order_of_their_names(tmp_path: Path, files: NodeFiles) -> None:
    write(tmp_path, UNIT, "[Service]\nExecStart=/usr/bin/kubelet\nRestartSec=10\n")
    write(tmp_path, f"{UNIT}.d/20-late.conf", "[Service]\nRestartSec=3\n")
    write(
        tmp_path,
        f"{UNIT}.d/10-kubeadm.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --v=2\nRestartSec=7\n",
    )
    write(tmp_path, f"{UNIT}.d/README", "[Service]\nRestartSec=99\n")
    unit = load(files)

    assert unit.values("Service", "ExecStart") == ["/usr/bin/kubelet --v=2"]
    assert unit.seconds("Service", "RestartSec", 0.1) == 3
    assert [path.rpartition("/")[2] for path in unit.dropins] == ["10-kubeadm.conf", "20-late.conf"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[Service]\nExecStart=/a\n", None),
        ("[Service]\nExecStart=/a\nExecStart=/b\n", "Service has more than one ExecStart= setting"),
        ("[Service]\nRestart=always\n", "Service has no ExecStart="),
        ("ExecStart=/a\n", "Service has no ExecStart="),
    ],
)
def test_faults_are_named_as_systemd_names_them(
    tmp_path: Path, files: NodeFiles, text: str, fault: str | None
) -> None:
    write(tmp_path, UNIT, text)

    assert (load(files).fault or "").startswith(fault or "")
    assert (load(files).fault is None) == (fault is None)


def test_environment_files_override_environment_and_later_files_earlier(
    tmp_path: Path, files: NodeFiles
) -> None:
    write(
        tmp_path,
        UNIT,
        '[Service]\nExecStart=/a\nEnvironment="A=one two" B=2\nEnvironment=C=3\n'
        "EnvironmentFile=-/missing\nEnvironmentFile=/env\n",
    )
    write(tmp_path, "env", "# comment\nB='from file'\nexport D=\"four\"\nE=plain words\nnot an assignment\n")

    assert load(files).environment(files) == {
        "A": "one two",
        "B": "from file",
        "C": "3",
        "D": "four",
        "E": "plain words",
    }


def test_a_missing_environment_file_is_an_error_without_a_dash(tmp_path: Path, files: NodeFiles) -> None:
    write(tmp_path, UNIT, "[Service]\nExecStart=/a\nEnvironmentFile=/missing\n")

    with pytest.raises(FileNotFoundError):
        load(files).environment(files)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/usr/bin/kubelet $TWO $NONE", ["/usr/bin/kubelet", "a", "b"]),
        ("/usr/bin/kubelet ${TWO}", ["/usr/bin/kubelet", "a b"]),
        ("/usr/bin/kubelet x${TWO}y", ["/usr/bin/kubelet", "xa by"]),
        ("/usr/bin/kubelet --x=$TWO", ["/usr/bin/kubelet", "--x=$TWO"]),
        ("/usr/bin/kubelet $$TWO 100%%", ["/usr/bin/kubelet", "$TWO", "100%"]),
        (
            '-/usr/bin/kubelet \'one word\' "an\\"other" a\\ b',
            ["/usr/bin/kubelet", "one word", 'an"other', "a b"],
        ),
        ("/usr/bin/kubelet \"\" ''", ["/usr/bin/kubelet", "", ""]),
        ("/usr/bin/kubelet 'open", ["/usr/bin/kubelet", "open"]),
    ],
)
def test_command_lines_expand_as_systemds(command: str, words: list[str]) -> None:
    assert unitfile.expand(command, {"TWO": "a b"})[0] == words


def test_unset_variables_are_reported_once() -> None:
    assert unitfile.expand("/a $X ${X} $Y", {"Y": ""}) == (["/a", ""], ["X"])


def test_lines_are_joined_and_comments_dropped(tmp_path: Path, files: NodeFiles) -> None:
    write(tmp_path, UNIT, "# one\n; two\n[Service]\nExecStart=/a \\\n# in between\n  --b \\\n  --c\n")

    assert unitfile.split(load(files).value("Service", "ExecStart")) == ["/a", "--b", "--c"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10),
        ("200ms", 0.2),
        ("1min 30s", 90),
        ("1h", 3600),
        ("infinity", float("inf")),
        ("soon", 7),
        ("3x", 7),
    ],
)
def test_time_spans(text: str, seconds: float) -> None:
    assert unitfile.time_span(text, 7) == seconds


def test_changes_on_disk_are_noticed(tmp_path: Path, files: NodeFiles) -> None:
    write(tmp_path, UNIT, "[Service]\nExecStart=/a\n")
    unit = load(files)
    assert not unitfile.changed(files, unit)

    write(tmp_path, f"{UNIT}.d/override.conf", "[Service]\n")
    assert unitfile.changed(files, unit)
    assert not unitfile.changed(files, load(files))

    (tmp_path / UNIT).unlink()
    assert unitfile.changed(files, unit)
    assert unitfile.load(files, "kubelet.service") is None


def test_a_unit_linked_to_dev_null_is_masked(tmp_path: Path, files: NodeFiles) -> None:
    (tmp_path / UNIT).parent.mkdir(parents=True)
    (tmp_path / UNIT).symlink_to("/dev/null")

    assert load(files).masked


def test_paths_of_the_student_cannot_lead_out_of_the_node_or_block(tmp_path: Path, files: NodeFiles) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/host").symlink_to("/../../../../../../etc/hostname")
    (tmp_path / "etc/loop").symlink_to("loop")
    os.mkfifo(tmp_path / "etc/pipe")
    (tmp_path / "etc/large").write_bytes(b"x" * (2 << 20))
    for path in ("/etc/host", "/etc/loop", "/etc/pipe", "/etc", "/etc/large", "/etc/missing"):
        with pytest.raises(OSError):
            files.read(path)
    assert files.names("/etc/missing") == []
