"""Variables of containers: expansion, what a pod knows of itself, services."""

import json
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.downward import environment, expand
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.services import Services
from tests.kubelet.node import manifest, node
from tests.kubelet.virtual_time import virtual

RECORDED = {
    "KUBERNETES_PORT": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
    "KUBERNETES_PORT_443_TCP_PORT": "443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
}


def service(name: str, namespace: str, address: str, *ports: dict[str, Any]) -> dict[str, Any]:
    spec = {"clusterIP": address, "ports": list(ports)}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


KUBERNETES = service("kubernetes", "default", "10.96.0.1", {"name": "https", "port": 443, "protocol": "TCP"})


def variables(
    *env: dict[str, Any], services: dict[str, str] | None = None, **container: Any
) -> dict[str, str]:
    text = json.dumps(manifest(container={"env": list(env), **container})).encode()
    pod = pod_from_file(text, "/m/web.yaml", "node-1")
    return environment(pod, pod.containers[0], {"status.podIP": "10.244.0.5"}, services or {})


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(NOPE)", "$(NOPE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$$", "$"),
    ],
)
def test_references_are_expanded_as_upstream_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def test_a_variable_may_name_those_before_it() -> None:
    found = variables(
        {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "C", "value": "2"}
    )

    assert found == {"A": "1", "B": "1$(C)", "C": "2"}


def test_a_pod_knows_itself() -> None:
    resources = {"requests": {"memory": "33Mi"}, "limits": {"cpu": "1500m", "memory": "64Mi"}}
    found = variables(
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}},
        resources=resources,
    )

    assert found == {"POD": "web-node-1", "APP": "web", "IP": "10.244.0.5", "CPU": "2", "MEM": "33"}


@pytest.mark.parametrize(
    ("of_the_pod", "cpu", "memory"),
    [({}, "2", "4194304000"), ({"limits": {"cpu": "1", "memory": "64Mi"}}, "1", "67108864")],
)
def test_a_limit_that_is_not_set_is_told_as_the_pods_or_as_what_the_node_has(
    of_the_pod: dict[str, Any], cpu: str, memory: str
) -> None:
    asked = ("limits.cpu", "limits.memory", "limits.ephemeral-storage", "requests.cpu")
    env = [{"name": what, "valueFrom": {"resourceFieldRef": {"resource": what}}} for what in asked]
    text = json.dumps(manifest(container={"env": env}, resources=of_the_pod)).encode()
    pod = pod_from_file(text, "/m/web.yaml", "node-1")
    node = {"cpu": "2", "memory": "4000Mi", "ephemeral-storage": "10Gi", "pods": "110"}

    found = environment(pod, pod.containers[0], {}, {}, allocatable=node)

    assert [found[what] for what in asked] == [cpu, memory, "10737418240", "0"]


def test_the_api_servers_service_is_told_as_recorded() -> None:
    services = Services()
    services.on_event("ADDED", KUBERNETES)

    assert services.variables("anywhere", links=False) == RECORDED


def test_services_of_the_pods_own_namespace_are_told_unless_links_are_off() -> None:
    services = Services()
    for each in (
        service("my-db", "default", "10.96.0.7", {"port": 5432}),
        service("headless", "default", "None", {"port": 1}),
        service("not-yet", "default", "", {"port": 1}),
        {"metadata": {"name": "elsewhere", "namespace": "default"}, "spec": {"externalName": "example.org"}},
        service("other", "elsewhere", "10.96.0.8", {"port": 1}),
    ):
        services.on_event("ADDED", each)

    assert services.variables("default", links=True)["MY_DB_SERVICE_HOST"] == "10.96.0.7"
    assert not {n for n in services.variables("default", links=True) if not n.startswith("MY_DB")}
    assert services.variables("default", links=False) == {}
    services.on_event("DELETED", service("my-db", "default", "", {}))
    assert services.variables("default", links=True) == {}


def test_every_port_of_a_service_is_told_and_the_first_is_the_service_s() -> None:
    services = Services()
    ports = {"name": "one-way", "port": 53, "protocol": "UDP"}, {"port": 80, "protocol": ""}
    services.on_event("ADDED", service("my-dns", "default", "fd00::a", *ports))
    services.on_event("ADDED", {"metadata": {"name": "bare", "namespace": "default"},
                                "spec": {"clusterIP": "10.96.0.9"}})  # fmt: skip

    assert services.variables("default", links=True) == {
        "BARE_SERVICE_HOST": "10.96.0.9",
        "MY_DNS_SERVICE_HOST": "fd00::a",
        "MY_DNS_SERVICE_PORT": "53",
        "MY_DNS_SERVICE_PORT_ONE_WAY": "53",
        "MY_DNS_PORT": "udp://[fd00::a]:53",
        "MY_DNS_PORT_53_UDP": "udp://[fd00::a]:53",
        "MY_DNS_PORT_53_UDP_PROTO": "udp",
        "MY_DNS_PORT_53_UDP_PORT": "53",
        "MY_DNS_PORT_53_UDP_ADDR": "fd00::a",
        "MY_DNS_PORT_80_TCP": "tcp://[fd00::a]:80",
        "MY_DNS_PORT_80_TCP_PROTO": "tcp",
        "MY_DNS_PORT_80_TCP_PORT": "80",
        "MY_DNS_PORT_80_TCP_ADDR": "fd00::a",
    }


def test_a_service_of_the_namespace_named_as_the_api_server_s_wins_over_it() -> None:
    services = Services()
    services.on_event("ADDED", service("kubernetes", "a", "10.96.0.7", {"port": 1}))
    services.on_event("ADDED", KUBERNETES)

    assert services.variables("a", links=True)["KUBERNETES_SERVICE_HOST"] == "10.96.0.7"
    assert services.variables("a", links=False) == RECORDED
    assert services.variables("other", links=True) == RECORDED


def test_the_manifests_own_variables_win_over_services() -> None:
    found = variables(
        {"name": "KUBERNETES_PORT", "value": "mine"},
        {"name": "B", "value": "$(A)"},
        services={**RECORDED, "A": "1"},
    )

    assert (found["KUBERNETES_PORT"], found["B"]) == ("mine", "1")
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"


@virtual
async def test_fact_06_static_pods_need_no_service_variables_and_get_them_once_the_api_is_there(
    tmp_path: Path,
) -> None:
    async with node(tmp_path, api_down=True) as n:
        n.put("early.yaml", manifest("early"))
        await n.until(lambda: n.running("early"))
        n.api.objects[("services", "default", "kubernetes")] = {
            "kind": "Service",
            **KUBERNETES,
            "metadata": {**KUBERNETES["metadata"], "resourceVersion": "1", "uid": "s"},
        }
        n.api.down = False
        await n.until(lambda: n.mirror("early"))
        n.put("late.yaml", manifest("late"))
        late = await n.runs("late")

        early = n.runtime.config_of(n.running("early")[0].id)
        assert not list(early.envs)
        assert {e.key: e.value for e in n.runtime.config_of(late.id).envs} == RECORDED
