"""What a person is told when Docker cannot do what is needed: one line, with what to do."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import requests
from docker.errors import APIError, DockerException

from labs.nodes.kind import daemon
from labs.nodes.kind.daemon import DockerError, explain, facts_of, refuse_remote, refuse_unfit

VERSION: dict[str, Any] = {"Version": "24.0.7", "ApiVersion": "1.43", "Components": [{"Name": "Engine"}]}
INFO: dict[str, Any] = {
    "ServerVersion": "24.0.7",
    "OSType": "linux",
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"]],
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
}


def wrapped(cause: OSError) -> Exception:
    """As the SDK raises it: in its own error, the one of requests, that of urllib3, and in that the cause."""
    inner = requests.exceptions.ConnectionError(("Connection aborted.", cause))
    inner.__context__ = cause
    outer = DockerException(f"Error while fetching server API version: {inner}")
    outer.__cause__ = inner
    return outer


def refusal(status: int, said: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response=response, explanation=said)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            wrapped(FileNotFoundError(errno.ENOENT, "No such file or directory")),
            "sudo systemctl start docker",
        ),
        (wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), "daemon is not running"),
        (wrapped(PermissionError(errno.EACCES, "Permission denied")), "usermod -aG docker"),
        (wrapped(ConnectionResetError(errno.ECONNRESET, "reset by peer")), "resumes with all data"),
        (refusal(500, "write /var/lib/docker/tmp: no space left on device"), "docker system prune"),
        (
            refusal(500, "Bind for 127.0.0.1:40123 failed: port is already allocated"),
            "taken by another program",
        ),
        (refusal(500, "Get https://registry-1.docker.io/v2/: dial tcp: no such host"), "--from-debian"),
        (refusal(500, "OCI runtime create failed: cgroup mountpoint does not exist"), "cgroup v2"),
        (refusal(500, "something\nnew"), "Docker says: something new"),
    ],
)
def test_a_failure_is_one_line_with_what_to_do(error: Exception, told: str) -> None:
    line = str(explain(error, "making the container blue"))

    assert told in line
    assert "\n" not in line


@pytest.mark.parametrize("url", ["tcp://10.0.0.7:2375", "ssh://me@there", "tcp://build.example:2376"])
def test_a_docker_on_another_machine_is_refused(url: str) -> None:
    with pytest.raises(DockerError, match=r"on another machine.*unset DOCKER_HOST"):
        refuse_remote(url)


@pytest.mark.parametrize(
    "url",
    ["unix:///var/run/docker.sock", "unix:///home/me/.docker/desktop/docker.sock", "tcp://127.0.0.1:2375"],
)
def test_a_docker_on_this_machine_is_taken(url: str) -> None:
    refuse_remote(url)


def test_a_daemon_as_most_are_is_taken() -> None:
    refuse_unfit(VERSION, INFO)


@pytest.mark.parametrize(
    ("version", "info", "told"),
    [
        ({"ApiVersion": "1.40", "Version": "19.03"}, {}, "install Docker 20.10 or newer"),
        ({"Components": [{"Name": "Podman Engine"}]}, {}, "point DOCKER_HOST at a Docker daemon"),
        ({}, {"OSType": "windows"}, "switch Docker Desktop to Linux containers"),
        (
            {},
            {"SecurityOptions": ["name=rootless"], "CgroupVersion": "1"},
            "only where the machine has cgroup v2",
        ),
        ({}, {"CgroupDriver": "none"}, "no cgroups to give"),
    ],
)
def test_a_daemon_that_cannot_run_nodes_is_refused(
    version: dict[str, Any], info: dict[str, Any], told: str
) -> None:
    with pytest.raises(DockerError, match=told):
        refuse_unfit(VERSION | version, INFO | info)


def test_the_daemons_description_is_read_as_kind_reads_it() -> None:
    facts = facts_of(
        INFO
        | {
            "SecurityOptions": ["name=seccomp,profile=default", "name=rootless", "name=userns"],
            "Driver": "Btrfs",
            "DriverStatus": [["Backing Filesystem", "XFS"]],
            "OperatingSystem": "Docker Desktop",
        }
    )

    assert (facts.cgroup, facts.desktop) == (2, True)
    assert (facts.host.rootless, facts.host.userns_remap) == (True, True)
    assert (facts.host.storage_driver, facts.host.backing_filesystem) == ("btrfs", "xfs")
    assert facts.host.has_modules


def test_without_a_daemon_connecting_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    with pytest.raises(DockerError, match="daemon is not running"):
        daemon.connect()
