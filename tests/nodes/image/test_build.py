"""The image, built by the real Docker from Debian's packages, and a node made of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from labs.errors import LabsError
from labs.nodes.image import Image, build, debian, names, node_image
from labs.nodes.image.real import RealPrograms
from tests import docker
from tests.docker import requires_docker

pytestmark = [pytest.mark.long, requires_docker]

REAL = RealPrograms.of_environment()
BUNDLED = {
    "cks-labs.local/bundled/kube-apiserver:v1.36.2",
    "docker.io/library/busybox:1.36",
    "docker.io/library/busybox:1.37",
    "docker.io/library/nginx:1.27",
    "registry.k8s.io/etcd:3.5.1-0",
    "registry.k8s.io/pause:3.10",
}


@pytest.fixture(scope="module")
def image() -> Image:
    """The image, with the real programs where they are given."""
    directory = os.environ.get("CKS_LABS_REAL")
    try:
        debian.require_tools()
    except LabsError as lacking:
        pytest.skip(str(lacking))
    return Image.of(
        build.build(docker.client(), print, debian=True, real=Path(directory) if directory else None)
    )


@pytest.fixture(scope="module")
def node(image: Image) -> Iterator[Container]:
    """A machine made from it, as a daemon without CAP_SYS_RESOURCE can run one."""
    api = docker.client().api
    host_config = api.create_host_config(
        cap_add=["ALL"],
        cap_drop=["SYS_RESOURCE"],
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        device_cgroup_rules=["a *:* rwm"],
        tmpfs={"/tmp": "", "/run": ""},
    ) | {"MaskedPaths": [], "ReadonlyPaths": [], "CgroupnsMode": "private"}
    made = api.create_container(image.id, tty=True, volumes=["/var"], host_config=host_config)
    container = docker.client().containers.get(made["Id"])
    try:
        container.start()
        run(container, "until [[ $(systemctl is-system-running) =~ running|degraded ]]; do sleep 0.05; done")
        yield container
    finally:
        container.remove(v=True, force=True)


def run(node: Container, script: str) -> str:
    """What a script prints on the node; it has to succeed."""
    status, (output, errors) = node.exec_run(["bash", "-c", f"set -o pipefail; {script}"], demux=True)
    assert status == 0, errors
    return (output or b"").decode()


def images(node: Container) -> list[dict[str, Any]]:
    """The images as the kubelet would see them."""
    listed: list[dict[str, Any]] = json.loads(run(node, "crictl images -o json"))["images"]
    return listed


def tags(node: Container) -> set[str]:
    return {tag for each in images(node) for tag in each["repoTags"]}


def test_its_labels_tell_what_is_in_it(image: Image) -> None:
    assert image == Image(
        "cks-labs/node:debian", image.id, debian=True, real=bool(REAL.digest), kubernetes="v1.36.2"
    )


def test_a_second_build_and_a_cluster_use_what_is_there(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(names.VARIABLE, raising=False)
    said: list[str] = []

    again = node_image(docker.client(), said.append)

    assert again == image
    assert said == []


def test_every_unit_of_the_machine_is_well(node: Container) -> None:
    assert run(node, "systemctl --failed --no-legend") == ""
    assert run(node, "systemctl is-active containerd") == "active\n"


def test_a_volume_of_a_node_costs_nothing_to_fill(node: Container) -> None:
    assert int(run(node, "du -sm --one-file-system /var").split()[0]) < 32


def test_the_kubelet_finds_every_image_there_and_unpacked(node: Container) -> None:
    assert tags(node) >= BUNDLED
    assert all(each["repoDigests"] for each in images(node))
    assert "not unpacked" not in run(node, "journalctl -u containerd")


@pytest.mark.parametrize(
    ("name", "command", "expected"),
    [
        ("docker.io/library/busybox:1.36", ["echo", "hello"], "hello"),
        ("docker.io/library/nginx:1.27", ["nginx", "-v"], "nginx/1.27"),
        ("registry.k8s.io/etcd:3.5.1-0", ["etcd", "--version"], "etcd Version: 3.5.1"),
        (
            "cks-labs.local/bundled/kube-apiserver:v1.36.2",
            ["kube-apiserver", "--version"],
            "Kubernetes v1.36.2",
        ),
    ],
)
def test_containers_run_from_the_images(
    node: Container, name: str, command: list[str], expected: str
) -> None:
    assert expected in run(node, f"ctr -n k8s.io run --rm {name} probe {' '.join(command)} 2>&1")


def test_the_process_of_a_sandbox_ends_when_it_is_told_to(node: Container) -> None:
    ctr = "ctr -n k8s.io"
    run(node, f"{ctr} run -d registry.k8s.io/pause:3.10 sandbox")

    # without SIGKILL: the test's own time limit is what a process that ignores SIGTERM would meet
    run(node, f"{ctr} task kill --signal SIGTERM sandbox; until {ctr} task rm sandbox; do :; done")

    run(node, f"{ctr} container rm sandbox")


def test_the_projects_programs_start_isolated(node: Container) -> None:
    run(node, "mkdir -p /tmp/evil && echo 'raise SystemExit(3)' > /tmp/evil/json.py")

    said = run(
        node, "cd /tmp/evil && PYTHONPATH=/tmp/evil /opt/cks-labs/bin/python labs.tools.crictl --version"
    )

    assert "crictl" in said


def test_the_tools_of_the_course_are_there(node: Container) -> None:
    for command in (
        "kubectl version --client",
        "k version --client",
        "etcdctl version",
        "etcdutl version",
        "vi --version",
        "jq --version",
        "strace -V",
    ):
        run(node, command)


@pytest.mark.skipif(not REAL.digest, reason="CKS_LABS_REAL names no directory of real programs")
def test_the_real_control_plane_can_take_its_place(image: Image, node: Container) -> None:
    assert run(node, "/usr/bin/kubelet --version") == f"Kubernetes {image.kubernetes}\n"

    run(node, "/opt/cks-labs/bin/choose-control-plane real")

    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        assert f"registry.k8s.io/{component}:{image.kubernetes}" in tags(node)
    assert not [tag for tag in tags(node) if tag.startswith(names.LOCAL)]
    assert all(each["repoTags"] for each in images(node))
