"""The ports of a node's components, as clients other than kubectl find them."""

from __future__ import annotations

import json
import re

import pytest

from labs.cluster import Cluster

PKI = "/etc/kubernetes/pki"
PORTS = [6443, 10250, 10257, 10259]
#: Ports of the control plane's components, and what they are called there.
COMPONENTS = {6443: "apiserver", 10257: "kube-controller-manager", 10259: "kube-scheduler"}
#: A client in the node: `scheme port path [certificate key]`; status, reason and body of the answer.
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
print(answer.status, answer.reason, answer.read().decode(), end="")
"""


def get(cluster: Cluster, *arguments: str) -> str:
    asked = cluster.run(["python3", "-c", CLIENT, *arguments])
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


@pytest.mark.parametrize("port", PORTS)
def test_plain_http_to_an_https_port_is_told_so(shared_cluster: Cluster, port: int) -> None:
    told = get(shared_cluster, "http", str(port), "/healthz")

    assert told == "400 Bad Request Client sent an HTTP request to an HTTPS server.\n"


@pytest.mark.parametrize("port", PORTS)
def test_the_clusters_authority_is_believed_by_all(shared_cluster: Cluster, port: int) -> None:
    pair = (f"{PKI}/apiserver-kubelet-client.crt", f"{PKI}/apiserver-kubelet-client.key")

    assert get(shared_cluster, "https", str(port), "/metrics", *pair).startswith("200 OK ")
    assert get(shared_cluster, "https", str(port), "/metrics")[:3] in ("401", "403")


@pytest.mark.parametrize("port", COMPONENTS)
def test_the_control_plane_shows_its_flags_and_since_when_it_runs(shared_cluster: Cluster, port: int) -> None:
    pair = (f"{PKI}/apiserver-kubelet-client.crt", f"{PKI}/apiserver-kubelet-client.key")

    flags = get(shared_cluster, "https", str(port), "/flagz", *pair)
    state = get(shared_cluster, "https", str(port), "/statusz", *pair)

    assert flags.startswith(f"200 OK \n{COMPONENTS[port]} flagz\n")
    assert re.search(rf"(?m)^secure-port(:|: |=| ){port}$", flags)
    assert state.startswith(f"200 OK \n{COMPONENTS[port]} statusz\n")
    assert "Binary version" in state
    assert get(shared_cluster, "https", str(port), "/flagz")[:3] in ("401", "403")


def test_the_kubelet_shows_the_configuration_that_it_was_given(shared_cluster: Cluster) -> None:
    pair = (f"{PKI}/apiserver-kubelet-client.crt", f"{PKI}/apiserver-kubelet-client.key")

    told = get(shared_cluster, "https", "10250", "/configz", *pair)

    shown = json.loads(told.removeprefix("200 OK "))["kubeletconfig"]
    assert (shown["staticPodPath"], shown["syncFrequency"]) == ("/etc/kubernetes/manifests", "1m0s")
    assert shown["logging"]["flushFrequency"] == "5s"
