"""What stands between API server and kubelet breaks; what is told of it was recorded from a real 1.36.2."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

import pytest

from labs.cluster import Cluster

from .conftest import booted
from .controlplane.plane import until

MANIFEST, CONFIG = "/etc/kubernetes/manifests/kube-apiserver.yaml", "/var/lib/kubelet/config.yaml"
PKI = "/etc/kubernetes/pki"
UNKNOWN_AUTHORITY = "tls: failed to verify certificate: x509: certificate signed by unknown authority"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster that these tests break and mend."""
    with booted() as running:
        yield running


def shell(cluster: Cluster, script: str) -> str:
    """What it prints, on both streams."""
    return cluster.run(["sh", "-c", f"exec 2>&1; {script}"]).stdout


@contextmanager
def changed(cluster: Cluster, *expressions: str) -> Iterator[None]:
    """The API server runs with a manifest that sed has changed, and with its own again afterwards."""

    def container() -> str:
        return shell(cluster, "crictl ps --name kube-apiserver -q")

    def replaced(make: str) -> None:
        before = container()
        shell(cluster, f"{make} > /root/new.yaml && cp /root/new.yaml {MANIFEST}")
        until(lambda: container() not in ("", before))
        until(lambda: shell(cluster, "kubectl get --raw /readyz") == "ok")

    shell(cluster, f"cp {MANIFEST} /root/kept.yaml")
    replaced(f"sed {' '.join(f'-e {quote(expression)}' for expression in expressions)} /root/kept.yaml")
    try:
        yield
    finally:
        replaced("cat /root/kept.yaml")


class Asked:
    """What four ways to a pod of a kubelet say, and where it is written down."""

    def __init__(self, cluster: Cluster) -> None:
        node = cluster.nodes[0]
        pod = f"-n kube-system kube-scheduler-{node}"
        since = shell(cluster, "date -u +%Y-%m-%dT%H:%M:%S.%N").strip()
        self.url = f"https://{_address(cluster)}:10250"
        self.path = f"/containerLogs/kube-system/kube-scheduler-{node}/kube-scheduler?tailLines=1"
        self.logs = shell(cluster, f"kubectl logs {pod} --tail=1").strip()
        self.exec = shell(cluster, f"kubectl exec {pod} -- ls").strip()
        self.forward = shell(cluster, f"timeout 20 kubectl port-forward {pod} 0:10259").strip()
        self.proxy = shell(cluster, f"kubectl get --raw /api/v1/nodes/{node}/proxy/healthz").strip()
        log = shell(cluster, "cat /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log")
        self.log = [line for line in log.splitlines() if line >= since and "Unhandled Error" in line]
        journal = shell(cluster, "journalctl -u kubelet -o cat")
        self.handshakes = [line for line in journal.splitlines() if "TLS handshake error" in line]


def _address(cluster: Cluster) -> str:
    return shell(cluster, "kubectl get node -o jsonpath='{.items[0].status.addresses[0].address}'")


def test_an_authority_that_has_not_signed_the_kubelets_certificate(cluster: Cluster) -> None:
    flag = f"    - --kubelet-certificate-authority={PKI}/etcd/ca.crt"

    with changed(cluster, rf"s#^    - --kubelet-client-key=.*#&\n{flag}#"):
        asked = Asked(cluster)

    dialing = f"error dialing backend: {UNKNOWN_AUTHORITY}"
    assert asked.logs == f'Error from server: Get "{asked.url}{asked.path}": {UNKNOWN_AUTHORITY}'
    assert asked.exec == f"error: unable to upgrade connection: {dialing}"
    assert asked.forward == f"error: error upgrading connection: unable to upgrade connection: {dialing}"
    assert asked.proxy == (
        f"Error from server (ServiceUnavailable): error trying to reach service: {UNKNOWN_AUTHORITY}"
    )
    assert len(asked.handshakes) >= 4
    assert all(line.endswith('remote error: tls: bad certificate"') for line in asked.handshakes)
    assert "(*tls.CertificateVerificationError)(0x" in asked.log[0]
    assert asked.log[1].endswith(
        'status.go:71] "Unhandled Error" err="apiserver received an error that is not an metav1.Status: '
        f'&errors.errorString{{s:\\"{dialing}\\"}}: {dialing}" logger="UnhandledError"'
    )


@pytest.mark.long
def test_addresses_of_kinds_that_the_node_has_not(cluster: Cluster) -> None:
    address, node = _address(cluster), cluster.nodes[0]

    with changed(cluster, "s/preferred-address-types=.*/preferred-address-types=ExternalIP,InternalDNS/"):
        asked = Asked(cluster)

    known = f"known addresses: [{{InternalIP {address}}} {{Hostname {node}}}]"
    assert asked.logs == f"Error from server: no preferred addresses found; {known}"
    assert asked.exec == f"error: unable to upgrade connection: no preferred addresses found; {known}"
    assert asked.proxy == f"Error from server: no preferred addresses found; {known}"
    shown = f'v1.NodeAddress{{Type:\\"InternalIP\\", Address:\\"{address}\\"}}, '
    assert f"&node.NoMatchError{{addresses:[]v1.NodeAddress{{{shown}" in asked.log[0]


@pytest.mark.long
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, and so none on a node")
@pytest.mark.parametrize(
    "pair", ["apiserver-etcd-client", "nobody", "apiserver-kubelet-client.crt nobody.key"]
)
def test_a_client_certificate_that_is_not_the_api_servers(cluster: Cluster, pair: str) -> None:
    shell(
        cluster,
        f"openssl req -newkey rsa:2048 -nodes -keyout {PKI}/nobody.key -subj /CN=nobody -out /root/csr",
    )
    sign = (
        f"openssl x509 -req -in /root/csr -CA {PKI}/ca.crt -CAkey {PKI}/ca.key -days 9 -out {PKI}/nobody.crt"
    )
    assert "subject=CN = nobody" in shell(cluster, sign)
    certificate, key = pair.split() if " " in pair else (f"{pair}.crt", f"{pair}.key")

    with changed(
        cluster,
        f"s#--kubelet-client-certificate=.*#--kubelet-client-certificate={PKI}/{certificate}#",
        f"s#--kubelet-client-key=.*#--kubelet-client-key={PKI}/{key}#",
    ):
        asked = Asked(cluster)

    match pair:
        case "apiserver-etcd-client":
            credentials = "the server has asked for the client to provide credentials"
            pod = f"( pods/log kube-scheduler-{cluster.nodes[0]})"
            assert asked.logs == f"error: You must be logged in to the server ({credentials} {pod})"
            assert asked.exec == "error: unable to upgrade connection: Unauthorized"
            assert asked.proxy == f"error: You must be logged in to the server ({credentials})"
        case "nobody":
            refused = "Forbidden (user=nobody, verb={}, resource=nodes, subresource(s)=[{}])"
            assert asked.logs.startswith(f"Error from server (Forbidden): {refused.format('get', 'proxy')}")
            assert asked.exec.endswith(refused.format("create", "proxy"))
            assert asked.proxy == f"Error from server (Forbidden): {refused.format('get', 'healthz proxy')}"
        case _:
            why = "tls: private key type does not match public key type"
            assert asked.logs == f'Error from server: Get "{asked.url}{asked.path}": {why}'
            assert asked.exec == f"error: unable to upgrade connection: error dialing backend: {why}"
            assert asked.proxy.endswith(f"error trying to reach service: {why}")


def test_a_probe_by_plain_http_fails_of_the_status(cluster: Cluster) -> None:
    pod = f"kube-scheduler-{cluster.nodes[0]}"
    manifest = "/etc/kubernetes/manifests/kube-scheduler.yaml"
    shell(cluster, f"cp {manifest} /root/scheduler.yaml; sed -i 's/scheme: HTTPS/scheme: HTTP/' {manifest}")

    until(
        lambda: (
            "Startup probe failed: HTTP probe failed with statuscode: 400"
            in shell(cluster, f"kubectl get events -n kube-system --field-selector involvedObject.name={pod}")
        )
    )

    shell(cluster, f"cp /root/scheduler.yaml {manifest}")
    until(lambda: "1/1" in shell(cluster, f"kubectl get pod -n kube-system {pod} --no-headers"))
