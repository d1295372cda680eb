"""The files that make a node feel like a Debian machine, tried with the real programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labs.nodes import rootfs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("node") / "rootfs"
    rootfs.write(root, hostname="cks-control-plane", address="172.18.0.2")
    return root


#: kubectl is a program of the project's own environment.
PROGRAMS = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def bash(root: Path, script: str, *, path: str = PROGRAMS) -> str:
    """What an interactive bash with root's own files of the node prints."""
    environment = {"HOME": str(root / "root"), "PATH": path, "TERM": "dumb"}
    command = ["bash", "--noprofile", "--rcfile", str(root / "root/.bashrc"), "-ic", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_programs_of_the_host_find_their_way_through_bin_and_alternatives(root: Path) -> None:
    assert (root / "bin").readlink() == Path("/bin").readlink()
    for name in ("awk", "vi"):
        if (link := Path("/etc/alternatives") / name).is_symlink():
            assert (root / "etc/alternatives" / name).readlink() == link.readlink()


def test_the_node_knows_itself_by_name(root: Path) -> None:
    assert (root / "etc/hostname").read_text() == "cks-control-plane\n"
    assert "172.18.0.2\tcks-control-plane\n" in (root / "etc/hosts").read_text()


def test_users_and_groups_of_the_host_are_not_on_the_node(root: Path) -> None:
    users = [line.split(":")[0] for line in (root / "etc/passwd").read_text().splitlines()]

    assert users[0] == "root"
    assert len(users) == 9
    assert len(users) == len((root / "etc/shadow").read_text().splitlines())


def test_two_nodes_are_two_machines(root: Path, tmp_path: Path) -> None:
    rootfs.write(tmp_path / "other", hostname="other", address="172.18.0.3")

    assert (root / "etc/machine-id").read_text() != (tmp_path / "other/etc/machine-id").read_text()


def test_directories_have_the_modes_programs_rely_on(root: Path) -> None:
    for directory, mode in {"tmp": 0o1777, "root": 0o700, "var/lib/etcd": 0o700, "proc": 0o555}.items():
        assert (root / directory).stat().st_mode & 0o7777 == mode, directory


def test_the_shells_of_the_node_accept_their_start_files(root: Path) -> None:
    for file in ("etc/profile", "etc/bash.bashrc", "root/.bashrc", "root/.profile"):
        subprocess.run(["bash", "-n", str(root / file)], check=True)
    subprocess.run(["sh", "-n", str(root / "etc/profile")], check=True)


def test_the_prompt_is_the_exams(root: Path) -> None:
    assert bash(root, f'. {root}/etc/bash.bashrc; echo "$PS1"') == "\\u@\\h:\\w\\$ \n"


@pytest.mark.parametrize("command", ["kubectl", "k"])
def test_the_first_tab_loads_kubectls_completion_for_kubectl_and_k(root: Path, command: str) -> None:
    before = bash(root, f"complete -p {command}")
    after = bash(root, f"_load_kubectl_completion {command}; echo status $?; complete -p {command}")

    assert before == f"complete -F _load_kubectl_completion {command}\n"
    assert after == f"status 124\ncomplete -o default -F __start_kubectl {command}\n"


def test_the_trusted_etc_has_a_place_for_etc_kubernetes_and_nothing_to_configure(tmp_path: Path) -> None:
    rootfs.write_trusted_etc(tmp_path / "etc", hostname="cks-control-plane", address="172.18.0.2")

    assert (tmp_path / "etc/kubernetes").is_dir()
    assert not (tmp_path / "etc/ld.so.preload").exists()
    assert not (tmp_path / "etc/profile").exists()


def test_tools_start_the_projects_programs_under_the_names_of_the_real_ones(tmp_path: Path) -> None:
    rootfs.write_tools(tmp_path / "bin", ["/usr/bin/python3.11", "-I", "-S"])

    assert os.access(tmp_path / "bin/crictl", os.X_OK)
    assert (tmp_path / "bin/crictl").read_text() == (
        "#!/bin/sh\n"
        'exec /usr/bin/python3.11 -I -S /opt/cks-labs/src/labs/nodes/boot.py labs.tools.crictl "$@"\n'
    )
    assert (tmp_path / "bin/k").readlink() == Path("/opt/cks-labs/bin/kubectl")


def test_a_node_has_a_vi_even_where_the_host_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)

    rootfs.write_tools(tmp_path / "bin", ["/usr/bin/python3.11", "-I", "-S"])

    assert "labs.tools.vi" in (tmp_path / "bin/vi").read_text()
    assert "labs.tools.vi" in (tmp_path / "bin/vim").read_text()
