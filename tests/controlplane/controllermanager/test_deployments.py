"""Deployments and their ReplicaSets, seen with real kubectl."""

from __future__ import annotations

import json
from typing import Any

from .conftest import World
from .manager import until

Object = dict[str, Any]


def create(world: World, replicas: int = 2, image: str = "web:1") -> None:
    world.ok("create", "deployment", "web", f"--image={image}", f"--replicas={replicas}", "--port=80")
    world.ok("rollout", "status", "deployment/web", "--timeout=120s")


def patch(world: World, what: str, **changes: Any) -> None:
    world.ok("patch", *what.split("/"), "--type=merge", "-p", json.dumps(changes))


def condition(world: World, kind: str) -> tuple[str, str, str]:
    found = {c["type"]: c for c in world.get("deployments", "web")["status"].get("conditions", [])}.get(
        kind, {}
    )
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def active(world: World) -> list[Object]:
    return [rs for rs in world.items("replicasets") if rs["spec"]["replicas"]]


def test_a_deployment_makes_a_replica_set_and_that_makes_pods(world: World) -> None:
    create(world, 2)

    [rs] = world.items("replicasets")
    hash_ = rs["metadata"]["labels"]["pod-template-hash"]
    pods = world.items("pods")
    assert rs["metadata"]["name"] == f"web-{hash_}"
    assert rs["metadata"]["annotations"] == {
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
        "deployment.kubernetes.io/revision": "1",
    }
    assert {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods} == {hash_}
    assert {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods} == {rs["metadata"]["uid"]}
    assert condition(world, "Available") == (
        "True",
        "MinimumReplicasAvailable",
        "Deployment has minimum availability.",
    )
    assert condition(world, "Progressing") == (
        "True",
        "NewReplicaSetAvailable",
        f'ReplicaSet "web-{hash_}" has successfully progressed.',
    )
    until(lambda: len(world.events("ReplicaSet", f"web-{hash_}")) == 2)
    created = {("SuccessfulCreate", f"Created pod: {pod['metadata']['name']}") for pod in pods}
    assert world.events("ReplicaSet", f"web-{hash_}") == created
    assert ("ScalingReplicaSet", f"Scaled up replica set web-{hash_} from 0 to 2") in world.events(
        "Deployment", "web"
    )


def test_a_new_template_is_rolled_out_and_rolled_back(world: World) -> None:
    create(world, 2)
    first = {rs["metadata"]["name"] for rs in active(world)}

    world.ok("set", "image", "deployment/web", "web=web:2")
    world.ok("rollout", "status", "deployment/web", "--timeout=120s")
    assert {pod["spec"]["containers"][0]["image"] for pod in world.items("pods")} >= {"web:2"}
    assert world.ok("rollout", "history", "deployment/web") == (
        "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    )
    assert world.ok("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    world.ok("rollout", "status", "deployment/web", "--timeout=120s")

    [back] = active(world)
    assert {back["metadata"]["name"]} == first
    assert back["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert back["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert "3         <none>" in world.ok("rollout", "history", "deployment/web")


def test_scaling_gives_up_and_makes_pods_without_a_new_revision(world: World) -> None:
    create(world, 1)

    world.ok("scale", "deployment/web", "--replicas=3")
    world.ok("rollout", "status", "deployment/web", "--timeout=120s")
    assert len(world.names("pods")) == 3
    world.ok("scale", "deployment/web", "--replicas=1")

    until(lambda: len(world.names("pods")) == 1)
    [rs] = world.items("replicasets")
    assert any(
        reason == "SuccessfulDelete" for reason, _ in world.events("ReplicaSet", rs["metadata"]["name"])
    )


def test_a_paused_rollout_waits_until_it_is_resumed(world: World) -> None:
    create(world, 1)
    world.ok("rollout", "pause", "deployment/web")
    until(lambda: condition(world, "Progressing")[1] == "DeploymentPaused")

    world.ok("set", "image", "deployment/web", "web=web:2")
    until(
        lambda: (
            (d := world.get("deployments", "web"))["status"]["observedGeneration"]
            == d["metadata"]["generation"]
        )
    )
    assert len(world.names("replicasets")) == 1
    world.ok("rollout", "resume", "deployment/web")
    world.ok("rollout", "status", "deployment/web", "--timeout=120s")

    assert len(world.names("replicasets")) == 2


def test_recreate_has_no_two_revisions_at_a_time(world: World) -> None:
    create(world, 2)
    world.ok(
        "patch", "deployment", "web", "-p", '{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}'
    )
    with world.plane.kubectl_running("-n", world.namespace, "get", "pods", "-w", "-o", "json") as watching:
        world.ok("set", "image", "deployment/web", "web=web:2")
        world.ok("rollout", "status", "deployment/web", "--timeout=120s")
        watching.terminate()
        assert watching.stdout is not None
        text = watching.stdout.read()

    gone, seen, decoder = set(), list[tuple[str, str]](), json.JSONDecoder()
    while text.strip():
        pod, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        image = pod["spec"]["containers"][0]["image"]
        seen.append((pod["metadata"]["name"], image))
        if "deletionTimestamp" in pod["metadata"]:
            gone.add(pod["metadata"]["name"])
        if image == "web:2":
            assert {name for name, of in seen if of == "web:1"} <= gone
    assert {image for _, image in seen} == {"web:1", "web:2"}


def test_a_rollout_that_gets_nowhere_says_so(world: World) -> None:
    create(world, 1)
    patch(world, "deployment/web", spec={"progressDeadlineSeconds": 1})
    world.nodes.stuck.set()
    seen: list[str] = []

    def timed_out() -> bool:
        # looked at once: a late pod is progress again
        seen[:] = condition(world, "Progressing")
        return seen[1] == "ProgressDeadlineExceeded"

    try:
        world.ok("set", "image", "deployment/web", "web=web:2")
        until(timed_out)
    finally:
        world.nodes.stuck.clear()

    status, _, message = seen
    assert status == "False"
    assert message.startswith('ReplicaSet "web-')
    assert message.endswith('" has timed out progressing.')


def test_old_replica_sets_beyond_the_limit_are_forgotten(world: World) -> None:
    create(world, 1)
    patch(world, "deployment/web", spec={"revisionHistoryLimit": 1})

    for version in (2, 3, 4):
        world.ok("set", "image", "deployment/web", f"web=web:{version}")
        world.ok("rollout", "status", "deployment/web", "--timeout=120s")

    until(lambda: len(world.names("replicasets")) == 2)


def test_a_pod_that_no_longer_matches_is_released_and_replaced(world: World) -> None:
    create(world, 1)
    [name] = world.names("pods")

    world.ok("label", "pod", name, "app=other", "--overwrite")

    until(lambda: len(world.names("pods", "?labelSelector=app%3Dweb")) == 1)
    assert "ownerReferences" not in world.get("pods", name)["metadata"]


def test_an_orphan_that_matches_is_adopted(world: World) -> None:
    create(world, 1)
    [owner] = world.items("replicasets")
    template = owner["spec"]["template"]
    orphan = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "orphan", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }
    world.ok("scale", "deployment/web", "--replicas=0")
    until(lambda: world.names("pods") == set())

    world.ok("create", "-f", "-", stdin=json.dumps(orphan))

    until(lambda: any(message == "Deleted pod: orphan" for _, message in
                      world.events("ReplicaSet", owner["metadata"]["name"])))  # fmt: skip


def test_what_the_api_refuses_is_told_of(world: World) -> None:
    quota = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "rs"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "rs"}},
            "template": {
                "metadata": {"labels": {"app": "rs"}},
                "spec": {"priorityClassName": "nobody", "containers": [{"name": "c", "image": "web:1"}]},
            },
        },
    }
    world.ok("create", "-f", "-", stdin=json.dumps(quota))

    until(lambda: bool(world.events("ReplicaSet", "rs")))
    for reason, message in world.events("ReplicaSet", "rs"):
        assert reason == "FailedCreate"
        assert message.startswith('Error creating: pods "rs-')
    [failed] = world.get("replicasets", "rs")["status"]["conditions"]
    assert (failed["type"], failed["status"], failed["reason"]) == ("ReplicaFailure", "True", "FailedCreate")
