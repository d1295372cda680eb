"""A scheduler or controller manager that cannot start says why and ends, as the real ones were seen to."""

from __future__ import annotations

import random
import socket
import string
import subprocess
import sys
from pathlib import Path

import pytest

SCHEDULER, MANAGER = "labs.controlplane.scheduler", "labs.controlplane.controllermanager"
BOTH = pytest.mark.parametrize("module", [SCHEDULER, MANAGER])


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    """One that can be read; nobody answers there."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\n"
    )
    return str(path)


def fails(module: str, *flags: str) -> str:
    """The last line of a process that ends with 1."""
    done = subprocess.run(
        [sys.executable, "-m", module, *flags], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()[-1]


def told(line: str) -> str:
    """What `command failed` says."""
    severity, _, rest = line.partition("]")
    assert severity.startswith("E")
    assert severity.endswith("run.go:72")
    return rest


@BOTH
def test_an_unknown_flag_is_told_after_the_usage(module: str) -> None:
    name = "".join(random.choices(string.ascii_lowercase, k=12))
    for flag in ("wrong", f"zz-{name}"):
        assert fails(module, f"--{flag}") == f"Error: unknown flag: --{flag}"


@BOTH
def test_a_bad_value_is_told(module: str) -> None:
    value = random.choice(("maybe", "ja", "2", "yes"))
    why = f'strconv.ParseBool: parsing "{value}": invalid syntax'

    line = fails(module, f"--leader-elect={value}")

    assert line == f'Error: invalid argument "{value}" for "--leader-elect" flag: {why}'


@BOTH
def test_a_kubeconfig_that_is_not_there_is_named(module: str, tmp_path: Path) -> None:
    path = tmp_path / f"{random.randrange(10**6)}.conf"

    line = fails(module, f"--kubeconfig={path}", "--bind-address=127.0.0.1")

    assert told(line) == f' "command failed" err="stat {path}: no such file or directory"'


@BOTH
def test_a_port_out_of_range_is_told(module: str) -> None:
    rule = "must be between 1 and 65535, inclusive. It cannot be turned off with 0"

    assert told(fails(module, "--secure-port=70000")) == f' "command failed" err="--secure-port 70000 {rule}"'


@BOTH
def test_a_taken_port_is_told(module: str, kubeconfig: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = fails(
            module, f"--kubeconfig={kubeconfig}", "--bind-address=127.0.0.1", f"--secure-port={port}"
        )

    address = f"127.0.0.1:{port}"
    why = f"failed to listen on {address}: listen tcp {address}: bind: address already in use"
    assert told(line) == f' "command failed" err="failed to create listener: {why}"'


@BOTH
def test_an_authority_that_is_not_there_is_named(module: str, kubeconfig: str) -> None:
    flags = (f"--kubeconfig={kubeconfig}", "--secure-port=0")
    line = fails(module, *flags[:1], "--secure-port=18259", "--client-ca-file=/nope/ca.crt")

    why = "unable to load client CA provider: open /nope/ca.crt: no such file or directory"
    assert told(line) == f' "command failed" err="{why}"'


@BOTH
def test_the_kubeconfig_of_delegated_questions_must_be_there(module: str, kubeconfig: str) -> None:
    line = fails(
        module, f"--kubeconfig={kubeconfig}", "--secure-port=18260", "--authorization-kubeconfig=/nope.conf"
    )

    why = "failed to get delegated authorization kubeconfig: stat /nope.conf: no such file or directory"
    assert told(line) == f' "command failed" err="{why}"'


def test_controllers_that_nobody_knows_are_named() -> None:
    why = (
        r"[\"foo\" is not in the list of known controllers, \"bar\" is not in the list of known controllers]"
    )

    assert told(fails(MANAGER, "--controllers=foo,-bar")) == f' "command failed" err="{why}"'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind: KubeSchedulerConfiguration\napiVersion: kubescheduler.config.k8s.io/v1\nfoo: 1\n",
         r"strict decoding error: unknown field \"foo\""),
        ("kind: KubeSchedulerConfiguration\napiVersion: kubescheduler.config.k8s.io/v1beta3\n",
         r"no kind \"KubeSchedulerConfiguration\" is registered for version "
         r"\"kubescheduler.config.k8s.io/v1beta3\" in scheme "
         r"\"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme/scheme.go:29\""),
        ("kind: KubeSchedulerConfiguration\napiVersion: kubescheduler.config.k8s.io/v1\nparallelism: -1\n",
         "parallelism: Invalid value: -1: should be an integer value greater than zero"),
    ],
)  # fmt: skip
def test_a_configuration_that_makes_no_sense_is_told(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)

    assert told(fails(SCHEDULER, f"--config={path}")) == f' "command failed" err="{why}"'
