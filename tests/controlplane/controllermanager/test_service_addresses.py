"""Which pods a Service leads to, and how that is written down."""

from __future__ import annotations

from typing import Any

from labs.controlplane.controllermanager.services import addresses

from .build import pod

Object = dict[str, Any]


def service(**spec: Any) -> Object:
    ports = [{"port": 80, "targetPort": "http", "protocol": "TCP"}]
    metadata = {"name": "web", "namespace": "default", "labels": {"team": "a"}}
    return {"metadata": metadata, "spec": {"selector": {"app": "web"}, "ports": ports, **spec}}


def backend(name: str, ip: str, *, port: int = 8080, ready: bool = True, **metadata: Any) -> Object:
    containers = [{"name": "c", "ports": [{"name": "http", "containerPort": port}]}]
    return pod(
        name, ready=ready, metadata={"labels": {"app": "web"}, **metadata}, spec={"containers": containers},
        status={"podIP": ip},
    )  # fmt: skip


def test_pods_are_ready_addresses_or_not_ready_ones() -> None:
    subsets = addresses.subsets(service(), [backend("b", "10.0.0.2", ready=False), backend("a", "10.0.0.1")])

    def address(name: str, ip: str) -> Object:
        target = {"kind": "Pod", "name": name, "namespace": "default", "uid": name}
        return {"ip": ip, "targetRef": target, "nodeName": "n1"}

    assert subsets == [
        {
            "addresses": [address("a", "10.0.0.1")],
            "notReadyAddresses": [address("b", "10.0.0.2")],
            "ports": [{"port": 8080, "protocol": "TCP"}],
        }
    ]


def test_a_named_port_is_looked_up_on_each_pod() -> None:
    subsets = addresses.subsets(
        service(), [backend("a", "10.0.0.1", port=1), backend("b", "10.0.0.2", port=2)]
    )

    assert [(s["addresses"][0]["ip"], s["ports"][0]["port"]) for s in subsets] == [
        ("10.0.0.1", 1),
        ("10.0.0.2", 2),
    ]


def test_ended_pods_and_pods_without_an_address_are_nowhere() -> None:
    ended = backend("a", "10.0.0.1")
    ended["status"]["phase"] = "Succeeded"

    assert addresses.subsets(service(), [ended, backend("b", "")]) == []
    assert addresses.slices(service(), [ended, backend("b", "")]) == [([], [])]


def test_a_pod_that_is_going_serves_in_slices_and_not_in_endpoints() -> None:
    going = backend("a", "10.0.0.1", deletionTimestamp="x")

    [(_, [found])] = addresses.slices(service(), [going])

    assert found["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert addresses.subsets(service(), [going]) == []


def test_who_publishes_what_is_not_ready_gets_it_as_ready() -> None:
    [subset] = addresses.subsets(
        service(publishNotReadyAddresses=True), [backend("a", "10.0.0.1", ready=False)]
    )

    assert list(subset) == ["addresses", "ports"]


def test_a_slice_holds_a_hundred() -> None:
    pods = [backend(f"p{i:03}", f"10.0.{i // 100}.{i % 100}") for i in range(250)]

    assert [len(endpoints) for _, endpoints in addresses.slices(service(), pods)] == [100, 100, 50]


def test_records_of_a_service_without_an_address_say_so() -> None:
    labels = addresses.labels(service(clusterIP="None"), addresses.ENDPOINTS_MANAGED_BY)

    assert labels == {
        "team": "a",
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
        "service.kubernetes.io/headless": "",
    }


def test_without_a_selector_nothing_is_selected() -> None:
    assert not addresses.is_selected(service(selector=None), backend("a", "10.0.0.1"))
