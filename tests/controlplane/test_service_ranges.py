"""ServiceCIDRs and IPAddresses: which addresses services get, and whose each is."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from .plane import Plane, until

Object = dict[str, Any]
NETWORKING = "/apis/networking.k8s.io/v1"
MISMATCH = "the provided network does not match the current range"


@pytest.fixture
def ranges(own_plane: Plane) -> Plane:
    """A control plane whose service ranges a test may change."""
    return own_plane


def address(plane: Plane, name: str) -> Object | None:
    code, found = plane.request("GET", f"{NETWORKING}/ipaddresses/{name}")
    return found if code == 200 else None


def make_service(plane: Plane, spec: Object | None = None, namespace: str = "default") -> tuple[int, Object]:
    service = {
        "metadata": {"name": f"s-{uuid.uuid4().hex[:8]}"},
        "spec": {"ports": [{"port": 80}], **(spec or {})},
    }
    code, answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/services", service)
    return code, answer


def make_range(plane: Plane, name: str, *cidrs: str) -> None:
    made = plane.request(
        "POST", f"{NETWORKING}/servicecidrs", {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}
    )
    assert made[0] == 201, made[1]


def given(plane: Plane, wanted: str) -> bool:
    return make_service(plane, {"clusterIP": wanted})[0] == 201


def test_the_flags_range_is_the_first(plane: Plane) -> None:
    code, found = plane.request("GET", f"{NETWORKING}/servicecidrs/kubernetes")

    assert (code, found["spec"]) == (200, {"cidrs": ["10.96.0.0/16"]})
    [ready] = found["status"]["conditions"]
    assert ready["lastTransitionTime"]
    del ready["lastTransitionTime"]
    assert ready == {
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
    }


def test_an_address_is_a_services_as_long_as_that_is_there(plane: Plane, namespace: str) -> None:
    code, service = make_service(plane, namespace=namespace)
    ip, name = service["spec"]["clusterIP"], service["metadata"]["name"]

    until(lambda: address(plane, ip) is not None)
    found = address(plane, ip)
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}/services/{name}")

    assert code == 201
    assert found
    assert found["spec"] == {
        "parentRef": {"resource": "services", "namespace": namespace, "name": name},
    }
    assert found["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    until(lambda: address(plane, ip) is None)


def test_a_service_that_becomes_a_name_gives_its_address_back(plane: Plane, namespace: str) -> None:
    _, service = make_service(plane, namespace=namespace)
    path = f"/api/v1/namespaces/{namespace}/services/{service['metadata']['name']}"
    until(lambda: address(plane, service["spec"]["clusterIP"]) is not None)

    spec = {"type": "ExternalName", "externalName": "example.com", "clusterIP": None, "clusterIPs": None}
    merge = {"Content-Type": "application/merge-patch+json"}
    code, answer = plane.request("PATCH", path, {"spec": spec}, headers=merge)

    assert code == 200, answer
    until(lambda: address(plane, service["spec"]["clusterIP"]) is None)


def test_headless_services_have_none(plane: Plane, namespace: str) -> None:
    _, headless = make_service(plane, {"clusterIP": "None"}, namespace)
    _, other = make_service(plane, namespace=namespace)

    until(lambda: address(plane, other["spec"]["clusterIP"]) is not None)

    items = plane.request("GET", f"{NETWORKING}/ipaddresses")[1]["items"]
    owners = {item["spec"]["parentRef"]["name"] for item in items}
    assert other["metadata"]["name"] in owners
    assert headless["metadata"]["name"] not in owners


def test_an_address_that_a_service_needs_comes_back(ranges: Plane) -> None:
    until(lambda: address(ranges, "10.96.0.1") is not None)
    before = address(ranges, "10.96.0.1")

    assert ranges.request("DELETE", f"{NETWORKING}/ipaddresses/10.96.0.1")[0] == 200

    until(lambda: address(ranges, "10.96.0.1") not in (None, before))


def test_somebody_elses_address_is_left_alone(plane: Plane, namespace: str) -> None:
    parent = {"resource": "things", "namespace": namespace, "name": "mine"}
    theirs = {"metadata": {"name": "10.96.77.7"}, "spec": {"parentRef": parent}}
    assert plane.request("POST", f"{NETWORKING}/ipaddresses", theirs)[0] == 201

    _, service = make_service(plane, namespace=namespace)
    until(lambda: address(plane, service["spec"]["clusterIP"]) is not None)
    code, refused = make_service(plane, {"clusterIP": "10.96.77.7"}, namespace)

    assert address(plane, "10.96.77.7")
    assert code == 422
    assert "failed to allocate IP 10.96.77.7: provided IP is already allocated" in refused["message"]
    plane.request("DELETE", f"{NETWORKING}/ipaddresses/10.96.77.7")


def test_another_range_has_more_addresses(ranges: Plane) -> None:
    _, before = make_service(ranges, {"clusterIP": "10.111.0.9"})
    make_range(ranges, "more", "10.111.0.0/28", "2001:db8::/64")

    until(lambda: given(ranges, "10.111.0.9"))

    assert MISMATCH in before["message"]
    assert not given(ranges, "10.111.0.9")
    for nobodys in ("10.111.0.0", "10.111.0.15", "10.112.0.1"):
        assert MISMATCH in make_service(ranges, {"clusterIP": nobodys})[1]["message"]


def test_a_range_that_is_not_ready_gives_none(ranges: Plane) -> None:
    make_range(ranges, "more", "10.111.0.0/28")
    until(lambda: given(ranges, "10.111.0.2"))
    not_ready = {"type": "Ready", "status": "False", "reason": "Terminating", "message": "x"}
    status = {"conditions": [{**not_ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}

    for name in ("more", "kubernetes"):
        path = f"{NETWORKING}/servicecidrs/{name}/status"
        merge = {"Content-Type": "application/merge-patch+json"}
        assert ranges.request("PATCH", path, {"status": status}, headers=merge)[0] == 200

    until(lambda: make_service(ranges)[0] == 500)
    code, refused = make_service(ranges)
    assert code == 500
    whose = r'Internal error occurred: failed to allocate a serviceIP for Service "s-\w+": range is full'
    assert re.fullmatch(whose, refused["message"])
    assert MISMATCH in make_service(ranges, {"clusterIP": "10.111.0.3"})[1]["message"]


def test_another_flag_changes_nothing_and_is_told_of(ranges: Plane) -> None:
    ranges.end()
    ranges.api = ranges.spawn(ranges.flags(service_cluster_ip_range="10.97.0.0/16"))
    ranges.wait_ready()

    code, service = make_service(ranges)
    events = ranges.request("GET", "/api/v1/namespaces/default/events")[1]["items"]

    assert code == 201
    assert service["spec"]["clusterIP"].startswith("10.96.")
    assert not given(ranges, "10.97.0.9")
    told = (
        "The default ServiceCIDR [10.96.0.0/16] does not match the controller flag configurations "
        "[10.97.0.0/16]"
    )
    assert [(e["type"], e["reason"], e["message"]) for e in events] == [
        ("Warning", "KubernetesDefaultServiceCIDRInconsistent", told)
    ]
    said = (
        '"Inconsistent ServiceCIDR status" serviceCIDR="kubernetes" controllerCIDRs=["10.97.0.0/16"] '
        'serviceCIDRs=["10.96.0.0/16"]'
    )
    assert said in ranges.log.read_text()
