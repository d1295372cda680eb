"""Pods get nodes, or say why not, with the words of a real scheduler."""

from __future__ import annotations

import json

import pytest

from ..plane import Plane, pod, until
from .conftest import Scheduler, condition, get, make_node, wait_for_node

NO_HELP = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for "
    "scheduling."
)

pytestmark = pytest.mark.usefixtures("scheduler")


@pytest.fixture(scope="module", autouse=True)
def _node(cluster: Plane) -> None:
    make_node(cluster, "alpha")


def test_a_pod_gets_the_node_and_an_event_says_so(cluster: Plane) -> None:
    cluster.ok("apply", "-f", "-", stdin=json.dumps(pod("plain")))

    assert wait_for_node(cluster, "plain") == "alpha"
    until(lambda: "Successfully assigned default/plain to alpha" in cluster.ok("describe", "pod", "plain"))
    scheduled = next(c for c in get(cluster, "plain")["status"]["conditions"] if c["type"] == "PodScheduled")
    assert scheduled["status"] == "True"


def test_a_node_selector_that_selects_nothing_is_told_by_describe(cluster: Plane) -> None:
    cluster.ok("apply", "-f", "-", stdin=json.dumps(pod("picky", nodeSelector={"disk": "ssd"})))

    message = f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {NO_HELP}"
    assert condition(cluster, "picky")["message"] == message
    until(lambda: message in cluster.ok("describe", "pod", "picky"))

    cluster.ok("label", "node", "alpha", "disk=ssd")

    assert wait_for_node(cluster, "picky") == "alpha"


def test_a_taint_keeps_away_who_does_not_tolerate_it(cluster: Plane) -> None:
    cluster.ok("taint", "node", "alpha", "team=red:NoSchedule")
    toleration = {"key": "team", "operator": "Equal", "value": "red", "effect": "NoSchedule"}
    for each in (pod("intolerant"), pod("tolerant", tolerations=[toleration])):
        cluster.ok("apply", "-f", "-", stdin=json.dumps(each))

    refused = condition(cluster, "intolerant")
    assert refused["message"] == f"0/1 nodes are available: 1 node(s) had untolerated taint(s). {NO_HELP}"
    assert refused["reason"] == "Unschedulable"
    assert wait_for_node(cluster, "tolerant") == "alpha"

    cluster.ok("taint", "node", "alpha", "team-")

    assert wait_for_node(cluster, "intolerant") == "alpha"


def test_a_cordoned_node_takes_nothing(cluster: Plane) -> None:
    cluster.ok("cordon", "alpha")
    cluster.ok("apply", "-f", "-", stdin=json.dumps(pod("late")))

    message = condition(cluster, "late")["message"]
    assert message == f"0/1 nodes are available: 1 node(s) were unschedulable. {NO_HELP}"

    cluster.ok("uncordon", "alpha")

    assert wait_for_node(cluster, "late") == "alpha"


def test_a_pod_that_asks_for_too_much_waits(cluster: Plane) -> None:
    big = pod("big")
    big["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100"}}
    cluster.ok("apply", "-f", "-", stdin=json.dumps(big))

    assert condition(cluster, "big")["message"].startswith("0/1 nodes are available: 1 Insufficient cpu.")
    cluster.ok("delete", "pod", "big", "--force", "--grace-period=0")


def test_pods_of_other_schedulers_and_gated_pods_are_left_alone(cluster: Plane) -> None:
    others = pod("others", schedulerName="mine")
    gated = pod("gated", schedulingGates=[{"name": "example.com/wait"}])
    for each in (others, gated, pod("marker")):
        cluster.ok("apply", "-f", "-", stdin=json.dumps(each))

    wait_for_node(cluster, "marker")

    for name in ("others", "gated"):
        assert "nodeName" not in get(cluster, name)["spec"]


def test_two_pods_cannot_have_one_host_port(cluster: Plane) -> None:
    for name in ("port-one", "port-two"):
        wants = pod(name)
        wants["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 8765}]
        cluster.ok("apply", "-f", "-", stdin=json.dumps(wants))
        if name == "port-one":
            wait_for_node(cluster, name)

    message = condition(cluster, "port-two")["message"]
    assert message.startswith(
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    )

    cluster.ok("delete", "pod", "port-one", "--force", "--grace-period=0")

    assert wait_for_node(cluster, "port-two") == "alpha"


def test_a_more_important_pod_takes_the_place_of_a_lesser_one(cluster: Plane) -> None:
    important = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 1000,
    }
    cluster.ok("apply", "-f", "-", stdin=json.dumps(important))
    for name, more in (("lesser", {}), ("greater", {"priorityClassName": "high"})):
        wants = pod(name, **more)
        wants["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1100m"}}
        cluster.ok("apply", "-f", "-", stdin=json.dumps(wants))
        if name == "lesser":
            wait_for_node(cluster, name)

    until(lambda: get(cluster, "greater").get("status", {}).get("nominatedNodeName") == "alpha")
    assert condition(cluster, "greater")["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    until(lambda: "deletionTimestamp" in get(cluster, "lesser")["metadata"])
    conditions = {c["type"]: c for c in get(cluster, "lesser")["status"]["conditions"]}
    assert conditions["DisruptionTarget"]["reason"] == "PreemptionByScheduler"
    uid = get(cluster, "greater")["metadata"]["uid"]
    until(
        lambda: (
            f"Preempted by pod {uid} on node alpha"
            in cluster.ok("get", "events", "--field-selector=reason=Preempted", "-o", "wide")
        )
    )

    # nobody runs this node: the victim goes when its kubelet would have stopped it
    cluster.ok("delete", "pod", "lesser", "--force", "--grace-period=0")

    assert wait_for_node(cluster, "greater") == "alpha"


def test_the_lease_names_the_leader_and_is_given_back(
    cluster: Plane, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/second"
    second = Scheduler(cluster, tmp_path_factory.mktemp("second"))
    second.start("--leader-elect-resource-name=second")
    until(lambda: cluster.request("GET", path)[0] == 200)

    held = cluster.request("GET", path)[1]["spec"]
    assert held["leaseDurationSeconds"] == 15
    assert held["leaseTransitions"] == 0
    assert second.stop() == 0
    given_back = cluster.request("GET", path)[1]["spec"]
    assert (given_back["holderIdentity"], given_back["leaseDurationSeconds"]) == ("", 1)
    log = second.log.read_text()
    assert 'leaderelection.go:272] "Successfully acquired lease" lock="kube-system/second"' in log
    assert 'server.go:334] "Requested to terminate, exiting"' in log


def test_many_pods_are_placed_in_one_go(cluster: Plane) -> None:
    for number in range(80):
        cluster.request("POST", "/api/v1/namespaces/default/pods", pod(f"many-{number}"))

    def placed() -> int:
        names = cluster.ok(
            "get", "pods", "-o", "jsonpath={range .items[?(@.spec.nodeName)]}{.metadata.name} "
        )
        return sum(name.startswith("many-") for name in names.split())

    until(lambda: placed() == 80)
