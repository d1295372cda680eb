"""What the API server of a fresh cluster tells about itself, by objects."""

from __future__ import annotations

import json
from socket import gethostname

from labs.controlplane.apiserver.identity_lease import identity
from labs.nodes.pki import Authority

from .plane import Plane, until

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


def names(plane: Plane, kind: str) -> list[str]:
    return [line.split()[0] for line in plane.ok("get", kind, "--no-headers").splitlines()]


def test_each_served_group_has_an_available_apiservice(plane: Plane) -> None:
    listed = plane.ok("get", "apiservices", "--no-headers").splitlines()
    served = {line if "/" in line else f"/{line}" for line in plane.ok("api-versions").split()}

    rows = {line.split()[0]: line.split()[1:3] for line in listed}

    parts = (each.rpartition("/") for each in served)
    aggregators_own = {"v1.apiregistration.k8s.io"}
    assert {f"{version}.{group}" for group, _, version in parts} - aggregators_own == set(rows)
    assert set(map(tuple, rows.values())) == {("Local", "True")}


def test_flow_control_is_described_as_in_a_real_cluster(plane: Plane) -> None:
    assert names(plane, "prioritylevelconfigurations") == [
        *("catch-all", "exempt", "global-default", "leader-election", "node-high", "system"),
        *("workload-high", "workload-low"),
    ]
    shown = plane.ok("get", "flowschema", "probes", "--no-headers").split()
    assert shown[:4] == ["probes", "exempt", "2", "<none>"]
    assert len(names(plane, "flowschemas")) == 11


def test_the_service_kubernetes_has_an_endpoint_slice(plane: Plane) -> None:
    status, found = plane.request(
        "GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
    )
    endpoints = plane.request("GET", "/api/v1/namespaces/default/endpoints/kubernetes")[1]

    address = endpoints["subsets"][0]["addresses"][0]["ip"]
    assert (status, found["addressType"]) == (200, "IPv4")
    assert found["endpoints"] == [{"addresses": [address], "conditions": {"ready": True}}]
    assert found["ports"] == [{"name": "https", "port": plane.port, "protocol": "TCP"}]
    assert found["metadata"]["labels"] == {"kubernetes.io/service-name": "kubernetes"}


def test_the_authority_of_clients_is_told_to_other_servers(plane: Plane) -> None:
    status, found = plane.request("GET", CONFIG_MAP)

    assert status == 200
    assert found["data"]["client-ca-file"] == (plane.pki / "ca.crt").read_text()


def test_a_servers_name_is_made_of_its_hosts() -> None:
    assert identity("real2") == "apiserver-n544pheq2vsexvxshgzvj6xrem"  # as seen of kube-apiserver 1.36.2


def test_a_server_holds_a_lease_while_it_serves(own_plane: Plane) -> None:
    name = identity(gethostname())
    until(lambda: own_plane.request("GET", f"{LEASES}/{name}")[0] == 200)

    lease = own_plane.request("GET", f"{LEASES}/{name}")[1]
    own_plane.kill()
    own_plane.start()
    until(lambda: own_plane.request("GET", f"{LEASES}/{name}")[1]["spec"] != lease["spec"])
    later = own_plane.request("GET", f"{LEASES}/{name}")[1]
    own_plane.end()

    assert lease["metadata"]["labels"] == {
        "apiserver.kubernetes.io/identity": "kube-apiserver",
        "kubernetes.io/hostname": gethostname(),
    }
    address = f"127.0.0.1:{own_plane.port}"
    assert lease["metadata"]["annotations"] == {"kubernetes.io/peer-advertise-address": address}
    assert lease["spec"]["holderIdentity"].startswith(f"{name}_")
    assert lease["spec"]["leaseDurationSeconds"] == 3600
    assert later["metadata"]["uid"] == lease["metadata"]["uid"]
    assert later["spec"]["renewTime"] > lease["spec"]["renewTime"]
    assert own_plane.etcdctl("get", f"/registry/leases/kube-system/{name}") == ""


def test_what_others_have_added_to_the_authorities_stays(own_plane: Plane) -> None:
    ours = (own_plane.pki / "ca.crt").read_text()
    Authority.create("other").write(own_plane.pki, "other")
    theirs = (own_plane.pki / "other.crt").read_text()
    change = json.dumps({"data": {"client-ca-file": theirs, "mine": "x"}})
    own_plane.ok("patch", "-n", "kube-system", "configmap", CONFIG_MAP.rpartition("/")[2], "-p", change)
    own_plane.request("DELETE", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/probes")

    with (own_plane.pki / "ca.crt").open("ab") as bundle:
        bundle.write("# Aussteller: Zürich\n".encode("latin-1"))  # which is no UTF-8, and no certificate
    own_plane.kill()
    own_plane.start()

    data = own_plane.request("GET", CONFIG_MAP)[1]["data"]
    assert (data["client-ca-file"], data["mine"]) == (theirs + ours, "x")
    assert data["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert "probes" in names(own_plane, "flowschemas")
    assert json.loads(own_plane.ok("get", "apiservices", "-o", "json"))["items"]
