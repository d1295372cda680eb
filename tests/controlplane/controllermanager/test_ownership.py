"""What becomes of objects when their owner, their namespace or their node goes."""

from __future__ import annotations

import json
from typing import Any

from ..plane import NODE, mirror, pod
from .conftest import World
from .manager import until

Object = dict[str, Any]


def deploy(world: World) -> None:
    world.ok("create", "deployment", "web", "--image=web:1", "--replicas=1")
    world.ok("rollout", "status", "deployment/web", "--timeout=120s")


def config_map(name: str, *owners: Object, **metadata: Any) -> str:
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        for owner in owners
    ]
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "ownerReferences": references, **metadata},
        }
    )


def test_dependents_go_after_their_owner(world: World) -> None:
    deploy(world)

    world.ok("delete", "deployment", "web")

    until(lambda: world.names("replicasets") == set() and world.names("pods") == set())


def test_in_the_foreground_they_go_before_it(world: World) -> None:
    deploy(world)

    world.ok("delete", "deployment", "web", "--cascade=foreground", "--timeout=120s")

    assert world.names("replicasets") == set()
    assert world.names("pods") == set()


def test_orphans_stay(world: World) -> None:
    deploy(world)

    world.ok("delete", "deployment", "web", "--cascade=orphan", "--timeout=120s")

    [rs] = world.items("replicasets")
    assert "ownerReferences" not in rs["metadata"]
    assert len(world.names("pods")) == 1


def test_an_object_with_an_owner_left_only_loses_the_reference(world: World) -> None:
    for name in ("a", "b"):
        world.ok("create", "-f", "-", stdin=config_map(name))
    first, second = world.get("configmaps", "a"), world.get("configmaps", "b")
    world.ok("create", "-f", "-", stdin=config_map("child", first, second))

    world.ok("delete", "configmap", "a")

    until(lambda: len(world.get("configmaps", "child")["metadata"]["ownerReferences"]) == 1)
    world.ok("delete", "configmap", "b")
    until(lambda: "child" not in world.names("configmaps"))


def test_an_owner_that_never_was_is_an_owner_that_is_gone(world: World) -> None:
    nobody = {"metadata": {"name": "nobody", "uid": "11111111-1111-4111-8111-111111111111"}}

    world.ok("create", "-f", "-", stdin=config_map("child", nobody))

    until(lambda: "child" not in world.names("configmaps"))


def test_a_chain_in_the_foreground_goes_from_its_end(world: World) -> None:
    world.ok("create", "-f", "-", stdin=config_map("a"))
    world.ok("create", "-f", "-", stdin=config_map("b", world.get("configmaps", "a")))
    world.ok(
        "create", "-f", "-", stdin=config_map("c", world.get("configmaps", "b"), finalizers=["tests/hold"])
    )

    world.ok("delete", "configmap", "a", "--cascade=foreground", "--wait=false")
    until(lambda: "deletionTimestamp" in world.get("configmaps", "c")["metadata"])
    assert {"a", "b", "c"} <= world.names("configmaps")
    world.ok("patch", "configmap", "c", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')

    until(lambda: not {"a", "b", "c"} & world.names("configmaps"))


def test_a_namespace_goes_with_all_that_is_in_it(world: World) -> None:
    name = f"{world.namespace}-gone"
    world.plane.ok("create", "namespace", name)
    world.plane.ok("-n", name, "create", "deployment", "web", "--image=web:1")
    world.plane.ok("-n", name, "create", "secret", "generic", "s")

    world.plane.ok("delete", "namespace", name, "--timeout=120s")

    assert world.plane.kubectl("get", "namespace", name).returncode == 1
    assert world.plane.ok("-n", name, "get", "deployments,secrets,pods,configmaps,serviceaccounts") == ""


def test_a_namespace_waits_for_the_pods_on_its_nodes(world: World) -> None:
    name = f"{world.namespace}-waits"
    world.plane.ok("create", "namespace", name)
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    until(lambda: world.plane.request("GET", account)[0] == 200)
    path = f"/api/v1/namespaces/{name}/pods"
    held = pod("web", name, nodeName="n1")
    held["metadata"]["finalizers"] = ["tests/hold"]
    code, answer = world.plane.request("POST", path, held)
    assert code == 201, answer

    with world.plane.kubectl_running("delete", "namespace", name) as deleting:
        until(lambda: "deletionTimestamp" in world.plane.request("GET", f"{path}/web")[1]["metadata"])
        namespace = world.plane.request("GET", f"/api/v1/namespaces/{name}")[1]
        assert namespace["status"]["phase"] == "Terminating"
        world.plane.request(
            "PATCH", f"{path}/web", {"metadata": {"finalizers": None}},
            headers={"Content-Type": "application/merge-patch+json"},
        )  # fmt: skip
        assert deleting.wait(120) == 0
    until(lambda: world.manager.says(f'"Namespace has been deleted" namespace="{name}"'))


def test_a_namespace_says_what_it_waits_for(world: World) -> None:
    name = f"{world.namespace}-held"
    world.plane.ok("create", "namespace", name)
    held = config_map("held", finalizers=["tests/hold"])
    world.plane.ok("-n", name, "create", "-f", "-", stdin=held)
    world.plane.ok("delete", "namespace", name, "--wait=false")

    def told() -> dict[str, str]:
        namespace = json.loads(world.plane.ok("get", "namespace", name, "-o", "json"))
        conditions = namespace["status"].get("conditions", [])
        return {c["type"]: c["message"] for c in conditions if c["status"] == "True"}

    until(lambda: bool(told()))
    assert told() == {
        "NamespaceContentRemaining": ("Some resources are remaining: configmaps. has 1 resource instances"),
        "NamespaceFinalizersRemaining": (
            "Some content in the namespace has finalizers remaining: tests/hold in 1 resource instances"
        ),
    }
    world.plane.ok(
        "-n", name, "patch", "configmap", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    until(lambda: world.plane.kubectl("get", "namespace", name).returncode == 1)


def test_every_namespace_has_an_account_and_the_authority(world: World) -> None:
    until(lambda: "kube-root-ca.crt" in world.names("configmaps"))
    published = world.get("configmaps", "kube-root-ca.crt")
    assert published["data"]["ca.crt"] == (world.plane.pki / "ca.crt").read_text()

    world.ok("delete", "serviceaccount", "default")
    world.ok("delete", "configmap", "kube-root-ca.crt")

    until(lambda: "default" in world.names("serviceaccounts"))
    until(lambda: "kube-root-ca.crt" in world.names("configmaps"))


def test_a_node_that_is_deleted_takes_its_mirrors_along(world: World) -> None:
    node = {"metadata": {"name": NODE}, "status": {"conditions": []}}
    _, created = world.plane.request("POST", "/api/v1/nodes", node, user="node")
    uid = created["metadata"]["uid"]
    path = f"/api/v1/namespaces/{world.namespace}/pods"
    code, answer = world.plane.request("POST", path, mirror("static", uid, world.namespace), user="node")
    assert code == 201, answer

    world.plane.ok("delete", "node", NODE)

    until(lambda: world.names("pods") == set())
