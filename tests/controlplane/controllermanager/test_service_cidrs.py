"""A ServiceCIDR stays until no service needs it."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.controlplane.controllermanager.services.cidrs import Range

from .conftest import World
from .manager import until

Object = dict[str, Any]
PATH = "/apis/networking.k8s.io/v1/servicecidrs"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
STAYS = (
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
)
NETWORKS = st.one_of(
    st.ip_addresses(network=network) for network in ("10.0.0.0/27", "2001:db8::/123")
).flatmap(
    lambda address: st.integers(26, 32).map(
        lambda length: ipaddress.ip_network((address, length + address.max_prefixlen - 32), strict=False)
    )
)


@pytest.fixture
def made(world: World) -> Iterator[Callable[[str], str]]:
    """Makes a ServiceCIDR of a range, and waits until it is ready; its name."""
    names: list[str] = []

    def make(cidr: str) -> str:
        name = f"r-{uuid.uuid4().hex[:8]}"
        names.append(name)
        obj = {"metadata": {"name": name}, "spec": {"cidrs": [cidr]}}
        assert world.plane.request("POST", PATH, obj)[0] == 201
        until(lambda: ready(world, name) == ("True", "", "Kubernetes Service CIDR is ready"))
        return name

    yield make
    for name in names:
        world.plane.request("DELETE", f"{PATH}/{name}")


def read(world: World, name: str) -> Object | None:
    code, found = world.plane.request("GET", f"{PATH}/{name}")
    return found if code == 200 else None


def ready(world: World, name: str) -> tuple[str, str, str] | None:
    found = read(world, name) or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    return next(((c["status"], c["reason"], c["message"]) for c in conditions if c["type"] == "Ready"), None)


def delete(world: World, name: str) -> None:
    assert world.plane.request("DELETE", f"{PATH}/{name}")[0] == 200


def test_it_is_made_ready_and_kept(world: World, made: Callable[[str], str]) -> None:
    name = made("10.120.0.0/24")

    found = read(world, name)

    assert found
    assert found["metadata"]["finalizers"] == [FINALIZER]
    managers = {(m["manager"], m["operation"]) for m in found["metadata"]["managedFields"]}
    assert {("kube-controller-manager", "Update"), ("service-cidr-controller", "Apply")} <= managers


def test_while_a_service_needs_it_it_stays_and_gives_no_more(
    world: World, made: Callable[[str], str]
) -> None:
    name = made("10.121.0.0/24")
    world.ok("create", "service", "clusterip", "one", "--clusterip=10.121.0.9", "--tcp=80")
    until(lambda: world.plane.request("GET", "/apis/networking.k8s.io/v1/ipaddresses/10.121.0.9")[0] == 200)

    delete(world, name)
    until(lambda: ready(world, name) == ("False", "Terminating", STAYS))
    more = world.plane.kubectl(
        "-n", world.namespace, "create", "service", "clusterip", "two", "--clusterip=10.121.0.10", "--tcp=80"
    )
    world.ok("delete", "service", "one")

    assert "failed to allocate IP 10.121.0.10" in more.stderr
    until(lambda: read(world, name) is None)


def test_an_address_that_another_range_has_too_keeps_none(world: World, made: Callable[[str], str]) -> None:
    small, large = made("10.122.4.0/24"), made("10.122.0.0/16")
    world.ok("create", "service", "clusterip", "one", "--clusterip=10.122.4.9", "--tcp=80")

    delete(world, small)

    until(lambda: read(world, small) is None)
    assert ready(world, large) == ("True", "", "Kubernetes Service CIDR is ready")


@given(NETWORKS, NETWORKS)
def test_ranges_hold_and_meet_as_networks_do(one: Any, two: Any) -> None:
    same = one.version == two.version

    assert Range.of(str(one)).holds(Range.of(str(two))) == (same and two.subnet_of(one))
    assert Range.of(str(one)).meets(Range.of(str(two))) == (same and one.overlaps(two))
