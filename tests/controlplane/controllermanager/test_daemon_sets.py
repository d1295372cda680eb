"""DaemonSets, seen with real kubectl."""

from __future__ import annotations

import json
from typing import Any

from .conftest import World
from .manager import until

Object = dict[str, Any]


def create(world: World, **spec: Any) -> None:
    template = {
        "metadata": {"labels": {"app": "ds"}},
        "spec": {"containers": [{"name": "c", "image": "d:1"}]},
    }
    daemon_set = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "ds"},
        "spec": {"selector": {"matchLabels": {"app": "ds"}}, "template": template, **spec},
    }
    world.ok("create", "-f", "-", stdin=json.dumps(daemon_set))


def images(world: World) -> dict[str, str]:
    return {
        pod["spec"].get("nodeName", ""): pod["spec"]["containers"][0]["image"]
        for pod in world.items("pods")
        if "deletionTimestamp" not in pod["metadata"]
    }


def test_every_node_has_a_pod_and_an_update_replaces_them(world: World) -> None:
    create(world)
    world.ok("rollout", "status", "ds/ds", "--timeout=120s")
    assert images(world) == {"n1": "d:1", "n2": "d:1"}

    world.ok("set", "image", "ds/ds", "c=d:2")
    world.ok("rollout", "status", "ds/ds", "--timeout=120s")

    assert images(world) == {"n1": "d:2", "n2": "d:2"}
    assert world.ok("rollout", "history", "ds/ds") == (
        "daemonset.apps/ds \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    )
    status = world.get("daemonsets", "ds")["status"]
    assert (status["desiredNumberScheduled"], status["numberAvailable"], status["numberMisscheduled"]) == (
        2,
        2,
        0,
    )


def test_a_rollback_uses_the_old_revision(world: World) -> None:
    create(world)
    world.ok("rollout", "status", "ds/ds", "--timeout=120s")
    world.ok("set", "image", "ds/ds", "c=d:2")
    world.ok("rollout", "status", "ds/ds", "--timeout=120s")

    world.ok("rollout", "undo", "ds/ds")
    world.ok("rollout", "status", "ds/ds", "--timeout=120s")

    assert images(world) == {"n1": "d:1", "n2": "d:1"}
    revisions = {r["revision"] for r in world.items("controllerrevisions")}
    assert revisions == {2, 3}


def test_on_delete_leaves_pods_alone_until_they_are_deleted(world: World) -> None:
    create(world, updateStrategy={"type": "OnDelete"})
    until(lambda: images(world) == {"n1": "d:1", "n2": "d:1"})

    world.ok("set", "image", "ds/ds", "c=d:2")
    until(lambda: len(world.names("controllerrevisions")) == 2)
    assert images(world) == {"n1": "d:1", "n2": "d:1"}
    [on_n1] = [p["metadata"]["name"] for p in world.items("pods") if p["spec"]["nodeName"] == "n1"]
    world.ok("delete", "pod", on_n1)

    until(lambda: images(world) == {"n1": "d:2", "n2": "d:1"})


def test_a_node_that_is_tainted_keeps_its_pod_and_one_that_no_longer_fits_loses_it(world: World) -> None:
    world.plane.ok("label", "node", "n1", f"{world.namespace}=yes")
    template = {
        "metadata": {"labels": {"app": "ds"}},
        "spec": {"nodeSelector": {world.namespace: "yes"}, "containers": [{"name": "c", "image": "d:1"}]},
    }
    create(world, template=template)
    until(lambda: images(world) == {"n1": "d:1"})

    world.plane.ok("label", "node", "n1", f"{world.namespace}-")

    until(lambda: images(world) == {})


def test_pods_are_told_of(world: World) -> None:
    create(world)

    until(lambda: len(world.events("DaemonSet", "ds")) == 2)

    created = {("SuccessfulCreate", f"Created pod: {name}") for name in world.names("pods")}
    assert world.events("DaemonSet", "ds") == created
