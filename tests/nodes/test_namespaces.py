"""Which users a node may have, and what its nested namespaces repeat."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labs.nodes import namespaces
from labs.nodes.namespaces import ROOT_BASE, IdMap, id_maps, map_text


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    monkeypatch.setattr(os, "getegid", lambda: 1002)


def test_the_hosts_root_is_never_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert id_maps() == [IdMap(((0, ROOT_BASE, 65536),), ((0, ROOT_BASE, 65536),))]


def test_an_ordinary_user_is_the_nodes_root_and_only_user(
    as_user: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "_subordinate", lambda file, uid: 0)
    (only,) = id_maps()

    assert only == IdMap(((0, 1001, 1),), ((0, 1002, 1),))
    assert only.setgroups == "deny"


def test_a_user_with_subordinate_ids_gives_a_node_all_of_its_users(
    as_user: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "_subordinate", lambda file, uid: 100000)
    monkeypatch.setattr(namespaces.shutil, "which", lambda name: f"/usr/bin/{name}")
    best, fallback = id_maps()

    assert best.uids == ((0, 1001, 1), (1, 100000, 65535))
    assert best.setgroups == "allow"
    assert fallback.single


@pytest.mark.parametrize(
    ("line", "granted"),
    [
        ("1001:100000:65536", 100000),
        ("1001:100000:65535", 100000),
        ("1001:100000:65534", 0),
        ("1002:100000:65536", 0),
        ("1001:x", 0),
        ("", 0),
    ],
)
def test_a_grant_counts_when_it_is_large_enough(tmp_path: Path, line: str, granted: int) -> None:
    (tmp_path / "subuid").write_text(f"# comment\n{line}\n")

    assert namespaces._subordinate(str(tmp_path / "subuid"), 1001) == granted


def test_a_nested_map_repeats_extent_by_extent() -> None:
    outer = IdMap(((0, 1001, 1), (1, 100000, 65535)), ((0, 1002, 1), (1, 100000, 65535)))

    assert map_text(outer.nested().uids) == "0 0 1\n1 1 65535\n"
