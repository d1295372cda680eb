"""The ports of a node's components, as clients other than kubectl find them."""

from __future__ import annotations

import pytest

from labs.cluster import Cluster

PKI = "/etc/kubernetes/pki"


def curl(cluster: Cluster, arguments: str) -> str:
    return cluster.run(["sh", "-c", f"curl -s -w '%{{http_code}}' {arguments}"]).stdout


@pytest.mark.parametrize("port", [6443, 10250, 10257, 10259])
def test_plain_http_to_an_https_port_is_told_so(shared_cluster: Cluster, port: int) -> None:
    told = curl(shared_cluster, f"http://127.0.0.1:{port}/healthz")

    assert told == "Client sent an HTTP request to an HTTPS server.\n400"


@pytest.mark.parametrize("port", [6443, 10250, 10257, 10259])
def test_the_clusters_authority_is_believed_by_all(shared_cluster: Cluster, port: int) -> None:
    pair = f"--cert {PKI}/apiserver-kubelet-client.crt --key {PKI}/apiserver-kubelet-client.key"

    assert curl(shared_cluster, f"-k -o /dev/null {pair} https://127.0.0.1:{port}/metrics") == "200"
    assert curl(shared_cluster, f"-k -o /dev/null https://127.0.0.1:{port}/metrics") in ("401", "403")
