"""What the judge is told, and who may tell it."""

from __future__ import annotations

import json

import pytest
from cri_api.v1 import api_pb2 as cri

from labs.runtime import apiserver
from labs.runtime.images import Image
from tests.controlplane.pki import Authority
from tests.runtime.harness import RuntimeNode

APISERVER = Image(
    id="sha256:0", names=("registry.k8s.io/kube-apiserver:v1.36.2",), evidence="/usr/local/bin/kube-apiserver"
)
BUSYBOX = Image(id="sha256:1", names=("docker.io/library/busybox:1.36",))
#: What kubeadm's manifest and the kubelet mount.
MOUNTS = ("/etc/ssl/certs", "/etc/kubernetes/pki", "/etc/hosts", "/dev/termination-log")


def test_each_step_of_a_container_is_told_before_the_client_hears_of_it(node: RuntimeNode) -> None:
    sandbox = node.sandbox("told")
    container = node.create(sandbox, "sh", "-c", "exit 3")
    assert node.drain()[-1]["event"] == "ContainerCreated"
    node.cri.StartContainer(cri.StartContainerRequest(container_id=container))
    node.wait_exit(container)
    node.cri.RemovePodSandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox))

    told = [record for record in node.drain() if record.get("sandbox") == sandbox]

    assert [record["event"] for record in told] == [
        "SandboxCreated",
        "ContainerCreated",
        "ContainerStarted",
        "ContainerExited",
        "SandboxStopped",
        "ContainerRemoved",
        "SandboxRemoved",
    ]
    ended = told[3] | {"time": None}
    assert ended == {
        "source": "runtime",
        "time": None,
        "event": "ContainerExited",
        "id": container,
        "sandbox": sandbox,
        "pod": {"name": "told", "namespace": "default", "uid": "told-uid"},
        "container": "main",
        "image": "docker.io/library/busybox:1.36",
        "attempt": 0,
        "exitCode": 3,
        "reason": "Error",
    }


def test_a_ping_is_answered_after_all_that_came_before(node: RuntimeNode) -> None:
    node.run_container(node.sandbox("pinged"), "sleep", "100000")

    node.evidence.send(json.dumps({"ping": 7}).encode())

    assert node.wait_record(pong=7) == {"source": "runtime", "pong": 7}
    assert any(record.get("pod", {}).get("name") == "pinged" for record in node.records)


def test_the_catalogues_api_server_may_tell() -> None:
    for argv in (["kube-apiserver", "--v=2"], ["/usr/local/bin/kube-apiserver"]):
        assert apiserver.is_trusted(APISERVER, argv, MOUNTS)


@pytest.mark.parametrize(
    "argv", [["sh", "-c", "kube-apiserver"], ["./kube-apiserver"], ["/tmp/kube-apiserver"]]
)
def test_another_command_may_not(argv: list[str]) -> None:
    assert not apiserver.is_trusted(APISERVER, argv, MOUNTS)


def test_another_image_may_not() -> None:
    assert not apiserver.is_trusted(BUSYBOX, ["kube-apiserver"], MOUNTS)


@pytest.mark.parametrize(
    "destination",
    [
        "/",
        "/etc",
        "/etc/ld.so.preload",
        "/etc/ssl",
        "/etc/kubernetes/../ld.so.preload",
        "/usr/local/bin/kube-apiserver",
        "/usr/lib",
        "/opt/cks-labs/site-packages/aiohttp",
        "/proc/self",
        "/dev",
        "/bin",
    ],
)
def test_with_a_mount_over_its_code_it_may_not(destination: str) -> None:
    assert not apiserver.is_trusted(APISERVER, ["kube-apiserver"], (*MOUNTS, destination))


def test_its_environment_steers_no_loader_and_no_interpreter() -> None:
    wanted = {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "LD_PRELOAD": "/var/evil.so",
        "PYTHONPATH": "/var/evil",
        "OPENSSL_CONF": "/var/evil.cnf",
        "BASH_ENV": "/var/evil.sh",
        "PATH": "/var/evil",
    }
    image = Image(id="sha256:0", names=APISERVER.names, env={"PATH": "/usr/bin"}, evidence=APISERVER.evidence)

    assert apiserver.environment(image, wanted) == {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "PATH": "/usr/bin",
    }


@pytest.fixture(scope="module")
def server(node: RuntimeNode, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An API server that waits for an etcd which does not come, and its sandbox with a shell in it."""
    folder = tmp_path_factory.mktemp("pki")
    Authority(folder, "ca", "kubernetes").issue("apiserver", "kube-apiserver")
    node.sh("mkdir -p /etc/kubernetes/pki")
    for file in ("apiserver.crt", "apiserver.key"):
        node.sh(f"cat > /etc/kubernetes/pki/{file} <<'END'\n{(folder / file).read_text()}END")
    sandbox = node.sandbox("kube-apiserver", host_network=True, pid=cri.NODE)
    pki = cri.Mount(container_path="/etc/kubernetes/pki", host_path="/etc/kubernetes/pki", readonly=True)
    container = node.create(
        sandbox,
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
        "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
        image="registry.k8s.io/kube-apiserver:v1.36.2",
        env={"LD_PRELOAD": "/x.so"},
        mounts=[pki],
    )
    sidecar = node.run_container(
        sandbox, "sleep", "100000", name="side", pid=cri.NODE, security={"privileged": True}
    )
    return container, sidecar


def test_not_even_a_privileged_neighbour_can_reach_its_socket(
    node: RuntimeNode, server: tuple[str, str]
) -> None:
    container, sidecar = server
    node.cri.StartContainer(cri.StartContainerRequest(container_id=container))
    request = cri.ContainerStatusRequest(container_id=container, verbose=True)
    pid = json.loads(node.cri.ContainerStatus(request).info["info"])["pid"]

    proc = f"/proc/{pid}"
    # in the middle of an exec a process has no environment at all
    trusted = node.sh(f"until tr '\\0' '\\n' < {proc}/environ | grep .; do sleep 0.02; done", view="trusted")
    _, _, refused = node.exec_sync(sidecar, "sh", "-c", f"cat {proc}/environ; ls {proc}/root/")
    seen = node.exec_sync(sidecar, "sh", "-c", f"for f in {proc}/fd/*; do readlink $f; done")[1]

    assert apiserver.ENVIRONMENT_VARIABLE in trusted
    assert "LD_PRELOAD" not in trusted
    assert refused.count("Permission denied") == 2
    assert seen == ""
    _, own, errors = node.exec_sync(container, "sh", "-c", "cat /proc/1/environ; readlink /proc/1/fd/10")
    assert own == ""
    assert "Permission denied" in errors
    for code in ("/etc/ld.so.preload", "/usr/sitecustomize.py", "/opt/sitecustomize.py", "/sitecustomize.py"):
        assert node.exec_sync(container, "touch", code)[0] != 0
    for data in ("/var/log/kubernetes/audit", "/etc/kubernetes/audit", "/tmp/x"):
        written = node.exec_sync(container, "sh", "-c", f"mkdir -p {data} && touch {data}/audit.log")
        assert written[0] == 0, written
