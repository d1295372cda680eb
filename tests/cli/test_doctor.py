"""`labs doctor` names what is missing and what to do about it."""

import importlib.metadata
import shutil

import pytest

from labs.cli import doctor
from labs.nodes.doctor import Need
from tests.cli.running import labs


def of_name(name: str) -> Need:
    return next(need for need in doctor.installed() if need.name == name)


def test_every_need_is_a_line_and_the_status_says_whether_all_required_are_met() -> None:
    done = labs("doctor")

    for name in (
        "user namespaces",
        "Python packages",
        "bwrap",
        "etcd",
        "kubectl",
        "vi on the nodes",
        "Chromium",
    ):
        assert f" {name}: " in done.stdout
    assert (done.returncode == 0) == ("✘" not in done.stdout)
    assert done.returncode in (0, 1)


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without_grpcio(name: str) -> str:
        if name == "grpcio":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_grpcio)
    need = of_name("Python packages")

    assert (need.ok, need.required) == (False, True)
    assert need.found == "no wheel installed for grpcio"
    assert need.mend == "make setup, or pip install grpcio"


def test_a_program_that_does_not_run_is_reported_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROGRAMS", {"etcd": ("purelib", "no/such/etcd", "--version")})
    need = of_name("etcd")

    assert (need.ok, need.required) == (False, True)
    assert "No such file or directory" in need.found


def test_a_machine_without_vi_is_told_what_nodes_get_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    need = of_name("vi on the nodes")

    assert (need.ok, need.required) == (False, False)
    assert "pyvim" in need.found
    assert need.mend == "sudo apt install vim"


def test_a_required_need_that_fails_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = Need("user namespaces", False, True, "refused by a sysctl", "sudo sysctl -w x=1")
    monkeypatch.setattr(doctor, "needs", lambda: [refused])
    monkeypatch.setattr(doctor, "installed", lambda: iter(()))

    assert doctor.report() == 1
    assert capsys.readouterr().out.splitlines() == [
        "✘ user namespaces: refused by a sysctl",
        "    sudo sysctl -w x=1",
        "1 of what the labs need is missing.",
    ]


def test_an_optional_need_that_fails_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Need("Chromium", False, False, "not found", "sudo apt install chromium")
    monkeypatch.setattr(doctor, "needs", lambda: [absent])
    monkeypatch.setattr(doctor, "installed", lambda: iter(()))

    assert doctor.report() == 0
    assert capsys.readouterr().out.startswith("! Chromium: not found\n")
