"""A cluster's context is merged into a person's kubeconfig, and taken out again, by kubectl's rules."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs.nodes import kubeconfig
from labs.nodes.kubeconfig import KubeconfigError


def document(name: str, server: str = "https://127.0.0.1:1") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "ours"
    path.write_text(yaml.safe_dump(document("kind-blue")))
    return path


def test_a_kubeadm_kubeconfig_gets_kinds_names() -> None:
    renamed = kubeconfig.renamed(document("kubernetes"), "kind-blue")

    assert renamed == document("kind-blue")


def test_a_person_without_a_kubeconfig_gets_one_that_only_they_may_read(ours: Path, tmp_path: Path) -> None:
    target = tmp_path / ".kube/config"

    assert kubeconfig.merge(ours, target) == "kind-blue"
    assert yaml.safe_load(target.read_text()) == document("kind-blue")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["config"]


def test_merging_keeps_what_is_there_and_replaces_what_has_the_same_name(ours: Path, tmp_path: Path) -> None:
    target = tmp_path / "config"
    theirs = kubeconfig.merged(
        document("work") | {"preferences": {"colors": True}}, document("kind-blue", "old")
    )
    target.write_text(yaml.safe_dump(theirs))

    kubeconfig.merge(ours, target)
    merged = yaml.safe_load(target.read_text())

    assert kubeconfig.names_of(merged, "contexts") == {"work", "kind-blue"}
    assert merged["preferences"] == {"colors": True}
    assert merged["clusters"][-1] == document("kind-blue")["clusters"][0]
    assert merged["current-context"] == "kind-blue"


def test_taking_it_out_leaves_the_rest_and_no_current_context(ours: Path, tmp_path: Path) -> None:
    target = tmp_path / "config"
    target.write_text(yaml.safe_dump(document("work")))
    kubeconfig.merge(ours, target)

    kubeconfig.unmerge(ours, target)

    assert yaml.safe_load(target.read_text()) == document("work") | {"current-context": ""}


def test_a_context_that_was_chosen_since_stays_current(ours: Path, tmp_path: Path) -> None:
    target = tmp_path / "config"
    target.write_text(yaml.safe_dump(document("work")))
    kubeconfig.merge(ours, target)
    target.write_text(target.read_text().replace("current-context: kind-blue", "current-context: work"))

    kubeconfig.unmerge(ours, target)

    assert yaml.safe_load(target.read_text())["current-context"] == "work"


def test_the_file_is_the_one_that_kubectl_would_write_to(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.touch()

    assert kubeconfig.person_path({"KUBECONFIG": f"{first}:{second}"}) == second
    assert kubeconfig.person_path({"KUBECONFIG": f"{first}:{tmp_path / 'third'}"}) == tmp_path / "third"
    assert kubeconfig.person_path({"HOME": str(tmp_path)}) == tmp_path / ".kube/config"


def test_a_file_that_another_program_changes_is_left_alone(ours: Path, tmp_path: Path) -> None:
    target = tmp_path / "config"
    (tmp_path / "config.lock").touch()

    with pytest.raises(
        KubeconfigError, match=r"being changed by another program: if not, delete .*config\.lock"
    ):
        kubeconfig.merge(ours, target)
    assert not target.exists()


@pytest.mark.parametrize("text", ["a: [", "- a list"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(ours: Path, tmp_path: Path, text: str) -> None:
    target = tmp_path / "config"
    target.write_text(text)

    with pytest.raises(KubeconfigError, match="set KUBECONFIG"):
        kubeconfig.merge(ours, target)
    assert target.read_text() == text


def test_a_link_stays_a_link(ours: Path, tmp_path: Path) -> None:
    target, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(target)

    kubeconfig.merge(ours, link)

    assert link.is_symlink()
    assert target.is_file()
