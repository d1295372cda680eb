"""Starting: strict flags, missing files and taken ports end the process with the real server's words."""

from __future__ import annotations

import socket
import time

import pytest

from labs.controlplane.apiserver.options import parse
from labs.controlplane.flags import FlagError

from .plane import Plane


@pytest.fixture(scope="module")
def unstarted(tmp_path_factory: pytest.TempPathFactory) -> Plane:
    """A control plane whose processes nobody started."""
    return Plane(tmp_path_factory.mktemp("unstarted"))


def _fails(plane: Plane, *flags: str) -> tuple[int, str]:
    plane.log.write_bytes(b"")
    process = plane.spawn(list(flags))
    return process.wait(120), plane.log.read_text()


def test_an_unknown_flag_ends_it(unstarted: Plane) -> None:
    status, log = _fails(unstarted, *unstarted.flags(), "--this-is-very-wrong")

    assert (status, log) == (1, "Error: unknown flag: --this-is-very-wrong\n")


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        (
            "enable_admission_plugins",
            "NodeRestriktion",
            'enable-admission-plugins plugin \\"NodeRestriktion\\" is unknown',
        ),
        ("authorization_mode", "Node,RBACK", 'authorization-mode \\"RBACK\\" is not a valid mode'),
        ("service_cluster_ip_range", "10.96.0.0/99", "service-cluster-ip-range[0] is not a valid cidr"),
        ("client_ca_file", "/nope/ca.crt", "open /nope/ca.crt: no such file or directory"),
        ("tls_cert_file", "/nope/api.crt", "open /nope/api.crt: no such file or directory"),
        ("tls_min_version", "VersionTLS14", 'unknown tls version \\"VersionTLS14\\"'),
        (
            "service_account_signing_key_file",
            "/nope/sa.key",
            "failed to parse service-account-issuer-key-file: open /nope/sa.key: no such file or directory",
        ),
        (
            "audit_policy_file",
            "/nope/audit.yaml",
            'loading audit policy file: failed to read file path \\"/nope/audit.yaml\\": '
            "open /nope/audit.yaml: no such file or directory",
        ),
    ],
)
def test_a_wrong_value_ends_it(unstarted: Plane, flag: str, value: str, message: str) -> None:
    status, log = _fails(unstarted, *unstarted.flags(**{flag: value}))

    assert status == 1
    assert log.splitlines()[-1].endswith(f'run.go:72] "command failed" err="{message}"')


def test_the_key_of_another_certificate_ends_it(unstarted: Plane) -> None:
    other = str(unstarted.pki / "admin.key")

    status, log = _fails(unstarted, *unstarted.flags(tls_private_key_file=other))

    assert status == 1
    assert 'err="tls: private key does not match public key"' in log


def test_a_taken_port_ends_it(unstarted: Plane) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]

        status, log = _fails(unstarted, *unstarted.flags(secure_port=str(port)))

    assert status == 1
    assert (
        f'err="failed to create listener: failed to listen on 0.0.0.0:{port}: listen tcp 0.0.0.0:{port}: '
        'bind: address already in use"'
    ) in log


@pytest.mark.long
def test_an_etcd_that_never_answers_ends_it(unstarted: Plane) -> None:
    started = time.monotonic()

    status, log = _fails(unstarted, *unstarted.flags())

    assert status == 1
    assert time.monotonic() - started > 15
    assert f"dial tcp 127.0.0.1:{unstarted.etcd_port}: connect: connection refused" in log
    assert log.splitlines()[-1].endswith('"command failed" err="context deadline exceeded"')


def test_it_waits_for_an_etcd_that_comes_later(tmp_path_factory: pytest.TempPathFactory) -> None:
    plane = Plane(tmp_path_factory.mktemp("late"))
    try:
        plane.api = plane.spawn(plane.flags())
        plane.start_etcd()
        plane.wait_ready()
    finally:
        plane.stop()


def test_flags_take_their_value_either_way() -> None:
    together = parse(["--secure-port=7443", "--etcd-servers=https://a:1,https://b:2"])
    apart = parse(["--secure-port", "7443", "--etcd-servers", "https://a:1,https://b:2"])

    assert together == apart
    assert (together.secure_port, together.etcd_servers) == (7443, ["https://a:1", "https://b:2"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--secure-port", "flag needs an argument: --secure-port"),
        (
            "--secure-port=x",
            'invalid argument "x" for "--secure-port" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            "--allow-privileged=maybe",
            'invalid argument "maybe" for "--allow-privileged" flag: strconv.ParseBool: parsing "maybe": '
            "invalid syntax",
        ),
    ],
)
def test_what_pflag_refuses_is_refused(argument: str, message: str) -> None:
    with pytest.raises(FlagError) as refusal:
        parse([argument])

    assert str(refusal.value) == message
