"""What Docker is sent: the project and a node's files, owned by root and with the right modes."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from labs.nodes.image import files
from labs.nodes.image.context import Context, sources
from labs.runtime.places import SOURCE

SCRIPTS = {
    path: text for path, text in (files.COMMON | files.DEBIAN | files.CRICTL).items() if text.startswith("#!")
}


def test_members_are_owned_by_root_and_readable_by_all(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("")
    (tmp_path / "private").chmod(0o600)
    (tmp_path / "program").write_text("")
    (tmp_path / "program").chmod(0o700)

    with Context.temporary() as context:
        context.add_tree("root", tmp_path)
        context.add("root/script", "#!/bin/sh\n")
        context.add("root/text", "hello\n")
        with tarfile.open(fileobj=context.finish()) as archive:
            members = archive.getmembers()

    assert {each.name: oct(each.mode) for each in members} == {
        "root/private": "0o644",
        "root/program": "0o755",
        "root/script": "0o755",
        "root/text": "0o644",
    }
    assert {(each.uid, each.gid, each.uname) for each in members} == {(0, 0, "")}


def test_a_node_gets_the_engine_and_not_the_judge() -> None:
    rooms = {file.relative_to(SOURCE / "labs").parts[0] for file in sources()}

    assert {"kubelet", "controlplane", "runtime", "tools", "nodes", "errors.py"} <= rooms
    assert not rooms & {"judge", "exercises", "notebook", "cli"}


def test_nothing_compiled_is_sent() -> None:
    assert not [file for file in sources() if file.suffix == ".pyc"]


@pytest.mark.parametrize("path", SCRIPTS)
def test_the_scripts_of_a_node_are_well_formed(path: str) -> None:
    subprocess.run(["sh", "-n"], input=SCRIPTS[path], text=True, check=True)
