"""A scheduler or controller manager that cannot start says why and ends, as the real ones were seen to."""

from __future__ import annotations

import json
import random
import re
import socket
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.controlplane.controllermanager import __main__ as manager
from labs.controlplane.scheduler import __main__ as scheduler

from ..ports import free_port
from . import pki
from .recordings import filler, write_files

SCHEDULER, MANAGER = "labs.controlplane.scheduler", "labs.controlplane.controllermanager"
BOTH = pytest.mark.parametrize("module", [SCHEDULER, MANAGER])


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


#: What 1.36.2 of both was seen to end with: which flags of kubeadm's manifest are changed (null: left out),
#: which are added, the files they name, and what follows the place in the last line. `{dir}` holds the files,
#: `{pki}` the certificates, `{kc}` is a kubeconfig, `{taken}` a port on which somebody listens, `{port}` a
#: free one.
RECORDED = [
    json.loads(line) for line in Path(__file__).with_name("refused_components.jsonl").read_text().splitlines()
]
PROGRAMS = {"kube-scheduler": scheduler.main, "kube-controller-manager": manager.main}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("components") / "pki"
    pki.write(folder)
    return folder


def manifest(program: str, kubeconfig: str, certificates: Path, port: int) -> dict[str, str | None]:
    """The flags that kubeadm writes, but without the leader's election, which would wait for an API server.

    The serving certificate is given: to make one takes time.
    """
    flags: dict[str, str | None] = {
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": "127.0.0.1",
        "kubeconfig": kubeconfig,
        "leader-elect": "false",
        "secure-port": str(port),
        "tls-cert-file": f"{certificates}/apiserver.crt",
        "tls-private-key-file": f"{certificates}/apiserver.key",
    }
    if program == "kube-scheduler":
        return flags
    return flags | {
        "allocate-node-cidrs": "true",
        "client-ca-file": f"{certificates}/ca.crt",
        "cluster-cidr": "10.244.0.0/16",
        "cluster-name": "kubernetes",
        "cluster-signing-cert-file": f"{certificates}/ca.crt",
        "cluster-signing-key-file": f"{certificates}/ca.key",
        "controllers": "*,bootstrapsigner,tokencleaner",
        "requestheader-client-ca-file": f"{certificates}/front-proxy-ca.crt",
        "root-ca-file": f"{certificates}/ca.crt",
        "service-account-private-key-file": f"{certificates}/sa.key",
        "service-cluster-ip-range": "10.96.0.0/16",
        "use-service-account-credentials": "true",
    }


def last_line(program: str, arguments: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The status, and what the last line says after its place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [program, *arguments])
        status = PROGRAMS[program]()
    line = capfd.readouterr().err.splitlines()[-1]
    return status, re.sub(r"^[EF]\d{4} \S+ +\d+ \S+\] ", "", line)


@pytest.mark.parametrize("case", RECORDED, ids=[f"{case['program']} {case['case']}" for case in RECORDED])
def test_a_component_ends_with_the_real_ones_last_word(
    case: dict[str, Any],
    kubeconfig: str,
    certificates: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places = {
            "{dir}": tmp_path,
            "{pki}": certificates,
            "{kc}": kubeconfig,
            "{taken}": taken.getsockname()[1],
            "{port}": free_port(),
            "{api}": 1,
        }
        placed = filler(places)
        write_files(case, tmp_path, placed)
        flags = manifest(case["program"], kubeconfig, certificates, int(str(places["{port}"])))
        flags |= {name: value and placed(value) for name, value in case["flags"].items()}
        given = [f"--{name}={value}" for name, value in flags.items() if value is not None]

        said = last_line(case["program"], [*given, *map(placed, case["more"])], capfd)

    assert said == (1, placed(case["says"]))


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--leader-elect-lease-duration=5s"], "leaseDuration must be greater than renewDeadline"),
        (["--leader-elect-renew-deadline=2s"], "renewDeadline must be greater than retryPeriod*JitterFactor"),
        (["--leader-elect-retry-period=0s"], "retryPeriod must be greater than zero"),
    ],
)
def test_periods_with_which_nobody_is_elected_end_it(
    flags: list[str], why: str, kubeconfig: str, certificates: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def ended(program: str) -> tuple[int, str]:
        wanted = {**manifest(program, kubeconfig, certificates, free_port()), "leader-elect": "true"}
        return last_line(program, [*(f"--{name}={value}" for name, value in wanted.items()), *flags], capfd)

    told = f"couldn't create leader elector: {why}"
    assert ended("kube-scheduler") == (1, f'"command failed" err="{told}"')
    assert ended("kube-controller-manager") == (2, f"panic: {why} [recovered, repanicked]")


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("root-ca-file", "error parsing root-ca-file at {path}: open {path}"),
        (
            "service-account-private-key-file",
            "error reading key for service account token controller: open {path}",
        ),
        ("client-ca-file", "unable to load client CA provider: open {path}"),
        (
            "requestheader-client-ca-file",
            "unable to create request header authentication config: open {path}",
        ),
        ("kubeconfig", "stat {path}"),
    ],
)
def test_whatever_file_is_missing_is_named(
    flag: str,
    says: str,
    kubeconfig: str,
    certificates: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "".join(random.choices(string.ascii_letters, k=12))
    flags = {**manifest("kube-controller-manager", kubeconfig, certificates, free_port()), flag: str(path)}

    said = last_line("kube-controller-manager", [f"--{name}={value}" for name, value in flags.items()], capfd)

    told = says.replace("{path}", str(path))
    assert said == (1, f'"command failed" err="{told}: no such file or directory"')
