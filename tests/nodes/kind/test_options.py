"""A node's container is run as the kind CLI runs it, flag by flag."""

from __future__ import annotations

import json
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from labs.nodes.kind.options import Host, NodeOptions, proxy_environment

NAME = "blue-control-plane"
NODE = NodeOptions(cluster="blue", name=NAME, image="some/image", network="kind", port=40123)

#: What commonArgs, runArgsForNode and generatePortMappings of kind's docker provider give a control plane,
#: with the field of the create request that the flag becomes.
KIND_FLAGS: dict[tuple[str, ...], tuple[str, object]] = {
    ("--hostname", NAME): ("Hostname", NAME),
    ("--label", "io.x-k8s.kind.role=control-plane"): ("Labels/io.x-k8s.kind.role", "control-plane"),
    ("--label", "io.x-k8s.kind.cluster=blue"): ("Labels/io.x-k8s.kind.cluster", "blue"),
    ("--privileged",): ("HostConfig/Privileged", True),
    ("--security-opt", "seccomp=unconfined"): ("HostConfig/SecurityOpt/0", "seccomp=unconfined"),
    ("--security-opt", "apparmor=unconfined"): ("HostConfig/SecurityOpt/1", "apparmor=unconfined"),
    ("--tmpfs", "/tmp"): ("HostConfig/Tmpfs//tmp", ""),
    ("--tmpfs", "/run"): ("HostConfig/Tmpfs//run", ""),
    ("--volume", "/var"): ("Volumes//var", {}),
    ("--volume", "/lib/modules:/lib/modules:ro"): ("HostConfig/Binds/0", "/lib/modules:/lib/modules:ro"),
    ("--tty",): ("Tty", True),
    ("--net", "kind"): ("HostConfig/NetworkMode", "kind"),
    ("--restart=on-failure:1",): (
        "HostConfig/RestartPolicy",
        {"Name": "on-failure", "MaximumRetryCount": 1},
    ),
    ("--init=false",): ("HostConfig/Init", False),
    ("--cgroupns=private",): ("HostConfig/CgroupnsMode", "private"),
    ("--publish=127.0.0.1:40123:6443/tcp",): (
        "HostConfig/PortBindings/6443/tcp",
        [{"HostIp": "127.0.0.1", "HostPort": "40123"}],
    ),
    ("-e", "KUBECONFIG=/etc/kubernetes/admin.conf"): ("Env/0", "KUBECONFIG=/etc/kubernetes/admin.conf"),
}
#: kind's flags that depend on the daemon (`usernsRemap`, `mountDevMapper`, `mountFuse` in util.go).
HOST_FLAGS: list[tuple[Host, str, object]] = [
    (Host(userns_remap=True), "HostConfig/UsernsMode", "host"),
    (Host(storage_driver="btrfs"), "HostConfig/Binds/1", "/dev/mapper:/dev/mapper"),
    (Host(backing_filesystem="xfs"), "HostConfig/Binds/1", "/dev/mapper:/dev/mapper"),
    (Host(rootless=True), "HostConfig/Devices/0/PathInContainer", "/dev/fuse"),
]


def field(body: Any, path: str) -> Any:
    """The value at a path whose keys may have slashes in them: the longest key that fits is taken."""
    if not path:
        return body
    if isinstance(body, list):
        index, _, rest = path.partition("/")
        return field(body[int(index)], rest)
    fitting = [key for key in body if path == key or path.startswith(f"{key}/")]
    assert fitting, f"no {path} in {body}"
    key = max(fitting, key=len)
    return field(body[key], path[len(key) + 1 :])


@pytest.mark.parametrize(("flag", "wanted"), KIND_FLAGS.items(), ids=lambda value: " ".join(map(str, value)))
def test_each_flag_of_kind_is_a_field(flag: tuple[str, ...], wanted: tuple[str, object]) -> None:
    path, value = wanted

    assert field(NODE.body(), path) == value


def test_a_worker_has_neither_port_nor_administrator() -> None:
    worker = replace(NODE, name="blue-worker", port=None).body()

    assert worker["Labels"]["io.x-k8s.kind.role"] == "worker"
    assert (worker["ExposedPorts"], worker["HostConfig"]["PortBindings"], worker["Env"]) == ({}, {}, [])


@pytest.mark.parametrize(("host", "path", "value"), HOST_FLAGS)
def test_what_kind_asks_of_the_daemon_decides_as_it_does_there(host: Host, path: str, value: object) -> None:
    options = NodeOptions("blue", NAME, "some/image", "kind", 40123, host=host)

    assert field(options.body(), path) == value


def test_no_field_is_asked_for_that_kind_does_not_ask_for() -> None:
    asked = {path.partition("/")[0] for path, _ in KIND_FLAGS.values()} | {"Image", "ExposedPorts"}
    host = {path.split("/")[1] for path, _ in KIND_FLAGS.values() if path.startswith("HostConfig/")}
    body = NODE.body()

    assert body.keys() == asked
    assert body["HostConfig"].keys() == host | {"UsernsMode", "Devices"}
    assert (body["HostConfig"]["UsernsMode"], body["HostConfig"]["Devices"]) == ("", [])


class _Recorder(BaseHTTPRequestHandler):
    """Answers as a daemon of API 1.41, and refuses every request to create a container."""

    protocol_version = "HTTP/1.1"
    bodies: ClassVar[list[Any]] = []

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_GET(self) -> None:
        self._answer(200, b"{}")

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(500, b'{"message": "recorded"}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in (("Api-Version", "1.41"), ("OSType", "linux"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "the command line"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def docker_socket(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "docker.sock"
    _Recorder.bodies.clear()
    with socketserver.ThreadingUnixStreamServer(str(path), _Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path
        server.shutdown()


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker command to ask")
def test_dockers_command_line_makes_the_same_request_of_kinds_flags(docker_socket: Path) -> None:
    flags = [word for flag in KIND_FLAGS for word in flag]
    subprocess.run(
        ["docker", "-H", f"unix://{docker_socket}", "run", "--detach", "--name", NAME, *flags, "some/image"],
        check=False,
        capture_output=True,
        timeout=60,
    )
    (recorded,) = _Recorder.bodies

    assert {key: recorded[key] for key in NODE.body() if key != "HostConfig"} == {
        key: value for key, value in NODE.body().items() if key != "HostConfig"
    }
    host = NODE.body()["HostConfig"]
    assert {key: recorded["HostConfig"][key] for key in host} == host
    rest = {key: value for key, value in recorded["HostConfig"].items() if key not in host}
    # all that the command line adds are Docker's own defaults
    assert not any(
        value for key, value in rest.items() if key not in ("ConsoleSize", "LogConfig", "MemorySwappiness")
    )


def test_a_node_on_a_machine_without_modules_gets_none() -> None:
    options = NodeOptions("blue", NAME, "some/image", "kind", 40123, host=Host(has_modules=False))

    assert options.body()["HostConfig"]["Binds"] == []


def test_a_node_that_cannot_be_privileged_gets_all_else_piece_by_piece() -> None:
    privileged, pieces = NODE.body(), NODE.unprivileged_body()
    host = pieces["HostConfig"]
    changed = {"Privileged", "CapAdd", "CapDrop", "MaskedPaths", "ReadonlyPaths", "DeviceCgroupRules"}

    assert not host["Privileged"]
    assert (host["CapAdd"], host["CapDrop"]) == (["ALL"], ["SYS_RESOURCE"])
    assert (host["MaskedPaths"], host["ReadonlyPaths"]) == ([], [])
    assert host["DeviceCgroupRules"] == ["a *:* rwm"]
    assert {key: value for key, value in host.items() if key not in changed} == {
        key: value for key, value in privileged["HostConfig"].items() if key not in changed
    }
    assert pieces | {"HostConfig": None} == privileged | {"HostConfig": None}


def test_the_cluster_a_container_belongs_to_is_written_on_it() -> None:
    options = NodeOptions("blue", NAME, "some/image", "kind", 40123, directory="/state/blue")

    assert options.body()["Labels"]["io.cks-labs.directory"] == "/state/blue"


def test_without_a_proxy_a_node_has_no_proxy_variables() -> None:
    assert proxy_environment({}, {}, ["172.18.0.0/16"], [NAME]) == {}


def test_a_proxy_is_passed_on_in_both_spellings_and_never_asked_for_what_is_near() -> None:
    given = {"https_proxy": "http://proxy:3128", "NO_PROXY": "intranet"}
    near = f"172.18.0.0/16,intranet,10.96.0.0/16,10.244.0.0/16,{NAME},.svc,.svc.cluster,.svc.cluster.local"

    assert proxy_environment(given, {}, ["172.18.0.0/16"], [NAME]) == {
        "HTTPS_PROXY": "http://proxy:3128",
        "https_proxy": "http://proxy:3128",
        "NO_PROXY": near,
        "no_proxy": near,
    }


def test_dockers_own_proxy_is_taken_only_where_the_person_has_none() -> None:
    configured = {"HTTP_PROXY": "http://docker:1", "HTTPS_PROXY": "http://docker:2"}

    taken = proxy_environment({"NO_PROXY": "intranet"}, configured, [], [])
    own = proxy_environment({"HTTP_PROXY": "http://mine:1"}, configured, [], [])

    assert (taken["HTTP_PROXY"], taken["https_proxy"]) == ("http://docker:1", "http://docker:2")
    assert taken["NO_PROXY"].startswith("intranet,")
    assert own["http_proxy"] == "http://mine:1"
    assert "HTTPS_PROXY" not in own
