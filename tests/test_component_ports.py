"""The ports of a node's components, as clients other than kubectl find them."""

from __future__ import annotations

import pytest

from labs.cluster import Cluster

PKI = "/etc/kubernetes/pki"
PORTS = [6443, 10250, 10257, 10259]
#: A client in the node: `scheme port path [certificate key]`; status and body of the answer.
CLIENT = """
import http.client, ssl, sys
scheme, port, path, *pair = sys.argv[1:]
if scheme == "http":
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
else:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pair:
        context.load_cert_chain(*pair)
    connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context)
connection.request("GET", path)
answer = connection.getresponse()
print(answer.status, answer.read().decode(), end="")
"""


def get(cluster: Cluster, *arguments: str) -> str:
    asked = cluster.run(["python3", "-c", CLIENT, *arguments])
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


@pytest.mark.parametrize("port", PORTS)
def test_plain_http_to_an_https_port_is_told_so(shared_cluster: Cluster, port: int) -> None:
    told = get(shared_cluster, "http", str(port), "/healthz")

    assert told == "400 Client sent an HTTP request to an HTTPS server.\n"


@pytest.mark.parametrize("port", PORTS)
def test_the_clusters_authority_is_believed_by_all(shared_cluster: Cluster, port: int) -> None:
    pair = (f"{PKI}/apiserver-kubelet-client.crt", f"{PKI}/apiserver-kubelet-client.key")

    assert get(shared_cluster, "https", str(port), "/metrics", *pair).startswith("200 ")
    assert get(shared_cluster, "https", str(port), "/metrics")[:3] in ("401", "403")
