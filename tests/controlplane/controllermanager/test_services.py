"""Services' records, seen with real kubectl."""

from __future__ import annotations

from .conftest import World
from .manager import until


def test_a_service_leads_to_the_pods_it_selects(world: World) -> None:
    world.ok("create", "deployment", "web", "--image=web:1", "--replicas=2", "--port=80")
    world.ok("expose", "deployment", "web", "--target-port=8080")
    world.ok("rollout", "status", "deployment/web", "--timeout=120s")

    def addresses() -> set[str]:
        subsets = world.get("endpoints", "web").get("subsets", [])
        return {address["ip"] for subset in subsets for address in subset.get("addresses", [])}

    until(lambda: "web" in world.names("endpoints") and len(addresses()) == 2)
    assert addresses() == {pod["status"]["podIP"] for pod in world.items("pods")}
    [slice_] = world.items("endpointslices")
    assert {e["addresses"][0] for e in slice_["endpoints"]} == addresses()
    assert slice_["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]

    world.ok("scale", "deployment/web", "--replicas=1")

    until(lambda: len(addresses()) == 1)


def test_records_go_with_their_service(world: World) -> None:
    world.ok("create", "service", "clusterip", "web", "--tcp=80")
    until(lambda: "web" in world.names("endpoints") and len(world.names("endpointslices")) == 1)

    world.ok("delete", "service", "web")

    until(lambda: world.names("endpoints") == set() and world.names("endpointslices") == set())


def test_a_service_without_a_selector_is_left_to_its_owner(world: World) -> None:
    world.ok(
        "create", "-f", "-",
        stdin='{"apiVersion":"v1","kind":"Service","metadata":{"name":"mine"},"spec":{"ports":[{"port":80}]}}',
    )  # fmt: skip
    world.ok("create", "service", "clusterip", "other", "--tcp=80")

    until(lambda: "other" in world.names("endpoints"))

    assert world.names("endpoints") == {"other"}
