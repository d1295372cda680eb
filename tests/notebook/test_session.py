"""How a kernel finds its cluster, and finds it again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from labs.cluster import Cluster
from labs.nodes.client import SupervisorGoneError
from labs.notebook.session import Session
from tests.notebook.desk import desk


@pytest.fixture(autouse=True)
def no_socket_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CKS_LABS_STUDENT_SOCKET", raising=False)


def booting(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[str]:
    """Have `Cluster.up` give a cluster with that socket; the names it was asked for."""
    names: list[str] = []

    def up(name: str, *, progress: object) -> SimpleNamespace:
        names.append(name)
        return SimpleNamespace(student_socket=path)

    monkeypatch.setattr(Cluster, "up", up)
    return names


def test_a_kernel_without_a_cluster_boots_the_one_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CKS_LABS_CLUSTER", "mine")
    names = booting(monkeypatch, tmp_path / "a.sock")

    with desk(tmp_path / "a.sock"):
        assert Session(print).attach()["nodes"] == ["desk-control-plane"]

    assert names == ["mine"]


def test_a_cluster_that_went_down_is_resumed_with_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sock"
    names = booting(monkeypatch, path)
    with desk(path):
        session = Session(print)
        session.attach()

    with desk(path) as again:
        again.answers["hint"] = lambda _: [{"result": {"hint": "h"}}]
        path.rename(tmp_path / "b.sock")
        booting(monkeypatch, tmp_path / "b.sock")

        assert session.ask("hint", exercise="x") == {"hint": "h"}
        (tmp_path / "b.sock").rename(path)

    assert names == ["cks"]


def test_in_the_sandbox_nothing_is_ever_booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKS_LABS_STUDENT_SOCKET", str(tmp_path / "gone.sock"))
    names = booting(monkeypatch, tmp_path / "a.sock")

    session = Session(print)

    assert session.sandboxed
    with pytest.raises(SupervisorGoneError):
        session.attach()
    assert names == []


def test_watching_boots_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = booting(monkeypatch, tmp_path / "a.sock")
    with desk(tmp_path / "a.sock"):
        session = Session(print)
        session.attach()
    names.clear()

    with pytest.raises(SupervisorGoneError):
        next(session.watch("web"))

    assert names == []
