"""Images: their names, what is in the catalogue, pulling and removing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import grpc
import pytest
from cri_api.v1 import api_pb2 as cri

from labs.runtime.errors import InvalidArgumentError
from labs.runtime.images import Image
from labs.runtime.images.build import is_static
from labs.runtime.images.references import manifest_url, normalize
from tests.runtime.harness import RuntimeNode

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("bitnami/nginx:1", "docker.io/bitnami/nginx:1"),
        ("docker.io/library/busybox:1.36", "docker.io/library/busybox:1.36"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost/thing", "localhost/thing:latest"),
        ("localhost:5000/thing:2", "localhost:5000/thing:2"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
    ],
)
def test_short_names_mean_what_they_mean_to_containerd(short: str, full: str) -> None:
    assert normalize(short) == full


@pytest.mark.parametrize("name", ["", "Busybox", "busybox:", "a b", "/busybox", "busybox:1:2"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        normalize(name)


def test_a_name_with_capitals_is_told_what_is_wrong_with_it() -> None:
    with pytest.raises(InvalidArgumentError, match=r": repository name must be lowercase$"):
        normalize("UPPER/case:1")
    with pytest.raises(InvalidArgumentError, match=r": invalid reference format$"):
        normalize("UPPER/a b:1")


def test_a_variable_gives_way_to_the_argument_that_says_the_same(tmp_path: Path) -> None:
    definition = {
        "names": ["registry.k8s.io/etcd:3"],
        "env": {"PATH": "/bin", "ETCD_ELECTION_TIMEOUT": "500"},
        "yields": {"ETCD_ELECTION_TIMEOUT": ["--election-timeout", "--heartbeat-interval"]},
    }
    (tmp_path / "image.json").write_text(json.dumps(definition))

    image = Image.read(tmp_path / "image.json", {})

    assert image.environment(["etcd", "--name=x"]) == {"PATH": "/bin", "ETCD_ELECTION_TIMEOUT": "500"}
    assert image.environment(["etcd", "--heartbeat-interval=200"]) == {"PATH": "/bin"}
    assert image.environment(["etcd", "--election-timeout", "2000"]) == {"PATH": "/bin"}


def test_the_place_of_a_manifest_is_the_registrys() -> None:
    assert manifest_url("docker.io/library/busybox:1") == (
        "https://registry-1.docker.io/v2/library/busybox/manifests/1"
    )
    assert manifest_url("registry.invalid/nothing:1") == "https://registry.invalid/v2/nothing/manifests/1"


def test_a_program_with_an_interpreter_is_not_static(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")

    assert not is_static(Path("/bin/sh").resolve())
    assert not is_static(script)


def images(node: RuntimeNode) -> dict[str, object]:
    listed = node.images.ListImages(cri.ListImagesRequest()).images
    return {name: image for image in listed for name in image.repo_tags}


def test_the_catalogue_has_ids_of_their_own_and_true_sizes(node: RuntimeNode) -> None:
    listed = images(node)

    assert {
        "docker.io/library/busybox:1.36",
        "docker.io/library/busybox:1.37",
        "docker.io/library/nginx:1.27",
        "registry.k8s.io/etcd:3.5.1-0",
        "registry.k8s.io/kube-apiserver:v1.36.2",
        "registry.k8s.io/pause:3.10",
    } <= set(listed)
    ids = [image.id for image in node.images.ListImages(cri.ListImagesRequest()).images]
    assert len(set(ids)) == len(ids)
    assert listed["docker.io/library/nginx:latest"] is listed["docker.io/library/nginx:1.27"]
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in ids)
    assert listed["registry.k8s.io/etcd:3.5.1-0"].size > 20_000_000
    assert all(image.size > 0 for image in listed.values())


def test_an_image_is_found_by_short_name_full_name_and_id(node: RuntimeNode) -> None:
    def status(name: str) -> str:
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=name))
        return str(node.images.ImageStatus(request).image.id)

    identity = status("docker.io/library/busybox:1.36")

    assert status("busybox:1.36") == status(identity) == status(identity[7:20]) == identity
    assert status("busybox:9.99") == ""


def test_an_unknown_image_cannot_be_pulled_and_the_reason_is_containerds(node: RuntimeNode) -> None:
    with pytest.raises(grpc.RpcError) as call:
        node.images.PullImage(cri.PullImageRequest(image=cri.ImageSpec(image="registry.invalid/nothing:1")))

    name = "registry.invalid/nothing:1"
    assert call.value.code() == grpc.StatusCode.UNKNOWN
    assert call.value.details().startswith(
        f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": '
        'failed to do request: Head "https://registry.invalid/v2/nothing/manifests/1": dial tcp: lookup '
    )


def test_a_removed_image_is_gone_until_it_is_pulled_again(node: RuntimeNode) -> None:
    name = "docker.io/library/busybox:1.37"
    spec = cri.ImageSpec(image=name)
    identity = images(node)[name].id

    node.images.RemoveImage(cri.RemoveImageRequest(image=cri.ImageSpec(image=identity)))
    node.images.RemoveImage(cri.RemoveImageRequest(image=cri.ImageSpec(image=identity)))
    assert name not in images(node)
    with pytest.raises(grpc.RpcError) as call:
        node.create(node.sandbox("removed"), "true", image=name)
    assert call.value.code() == grpc.StatusCode.NOT_FOUND

    assert node.images.PullImage(cri.PullImageRequest(image=spec)).image_ref == identity
    assert name in images(node)


def test_nginx_serves_and_logs_as_nginx(node: RuntimeNode) -> None:
    sandbox = node.sandbox("web")
    container = node.run_container(sandbox, image="nginx:1.27")
    address = node.cri.PodSandboxStatus(cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox)).status.network.ip
    request = r"GET {} HTTP/1.0\r\nUser-Agent: test\r\n\r\n"
    get = f"exec 3<>/dev/tcp/{address}/80; printf '{request}' >&3; cat <&3"

    page = node.sh(f"for i in $(seq 100); do {get.format('/')} && exit; sleep 0.05; done 2>/dev/null")
    missing = node.sh(get.format("/nothing"))

    assert page.startswith("HTTP/1.1 200 OK\r\nServer: nginx/1.27")
    assert "Welcome to nginx!" in page
    assert missing.startswith("HTTP/1.1 404 Not Found\r\n")
    log = node.log_of(container)
    assert re.search(r'stdout F 10\.244\.0\.1 - - \[.*\] "GET / HTTP/1\.0" 200 \d+ "-" "test" "-"', log)
    assert re.search(
        r'stdout F 10\.244\.0\.1 - - \[.*\] "GET /nothing HTTP/1\.0" 404 \d+ "-" "test" "-"', log
    )
    node.cri.StopContainer(cri.StopContainerRequest(container_id=container, timeout=20))
    assert node.status(container).exit_code == 0
