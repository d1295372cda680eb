"""Pods of the API on the node: the usual path, beside the static pods'.

What is asserted of statuses, messages and their order was seen on a real kubelet 1.36.2.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as api

from labs.kubelet.services import Services
from tests.kubelet.node import Node, api_pod, manifest, node
from tests.kubelet.virtual_time import virtual

LOST = {
    "exitCode": 137,
    "finishedAt": None,
    "message": "The container could not be located when the pod was terminated",
    "reason": "ContainerStatusUnknown",
    "startedAt": None,
}


def status_of(n: Node, name: str = "web") -> dict[str, Any]:
    return dict((n.api.pod(name) or {}).get("status") or {})


def phase(n: Node, name: str = "web") -> str:
    return str(status_of(n, name).get("phase", "gone"))


def running(n: Node, name: str = "web") -> list[api.ContainerStatus]:
    return n.runtime.of_pod(name, running=True)


async def runs(n: Node, name: str = "web") -> None:
    await n.until(lambda: phase(n, name) == "Running" and running(n, name))


def sent(n: Node, name: str = "web") -> list[dict[str, Any]]:
    """The statuses the kubelet has patched onto a pod."""
    path = f"/api/v1/namespaces/default/pods/{name}/status"
    return [body["status"] for method, where, body in n.api.requests if (method, where) == ("PATCH", path)]


def conditions(n: Node, name: str = "web") -> dict[str, str]:
    return {c["type"]: c["status"] for c in status_of(n, name).get("conditions", ())}


@virtual
async def test_a_pod_bound_to_the_node_runs_and_its_status_is_in_the_api(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        made = n.api.user_creates(api_pod())
        await runs(n)
        await n.until(lambda: conditions(n).get("Ready") == "True")

        status = status_of(n)
        (container,) = running(n)
        assert container.labels["io.kubernetes.pod.uid"] == made["metadata"]["uid"]
        assert status["podIP"] == "10.244.0.1"
        assert status["hostIP"] == "172.18.0.2"
        assert status["startTime"] == made["metadata"]["creationTimestamp"]
        assert status["observedGeneration"] == 1
        assert {c["observedGeneration"] for c in status["conditions"]} == {1}
        assert list(conditions(n)) == [
            "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
        ]  # fmt: skip


@virtual
async def test_the_api_s_object_is_left_as_it_was_made(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod())
        await runs(n)

        pod = n.api.pod("web")
        assert pod is not None
        assert "annotations" not in pod["metadata"]
        assert {method for method, where, _ in n.api.requests if where.endswith("/pods")} == set()


@virtual
async def test_a_pod_s_containers_know_its_source(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod())
        await runs(n)

        (sandbox,) = n.runtime.sandboxes.values()
        assert sandbox.annotations["kubernetes.io/config.source"] == "api"
        assert sandbox.annotations["kubernetes.io/config.seen"].startswith("2026-11-23T17:55:13")
        assert "kubernetes.io/config.hash" not in sandbox.annotations


@virtual
async def test_a_deleted_pod_is_gone_from_the_api_only_when_it_has_stopped(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        made = n.api.user_creates(api_pod(terminationGracePeriodSeconds=30))
        await runs(n)
        n.api.user_deletes("web")
        await asyncio.sleep(29)

        assert len(running(n)) == 1
        assert phase(n) == "Running"
        took = await n.until(lambda: n.api.pod("web") is None, 5)

        assert took < 2
        assert not n.runtime.of_pod("web")
        deletes = [body for method, _, body in n.api.requests if method == "DELETE"]
        assert deletes == [
            {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "gracePeriodSeconds": 0,
                "preconditions": {"uid": made["metadata"]["uid"]},
            }
        ]


@virtual
async def test_the_grace_period_of_the_deletion_counts_not_the_spec_s(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.api.user_creates(api_pod(terminationGracePeriodSeconds=100))
        await runs(n)
        n.api.user_deletes("web", grace=7)

        assert 7 <= await n.until(lambda: n.api.pod("web") is None) < 9
        assert [about.split()[1] for call, about in n.runtime.calls if call == "StopContainer"] == ["7"]


@virtual
async def test_a_second_deletion_does_not_shorten_a_grace_period_that_runs(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.api.user_creates(api_pod(terminationGracePeriodSeconds=20))
        await runs(n)
        n.api.user_deletes("web")
        await asyncio.sleep(2)
        n.api.user_deletes("web", grace=1)

        assert 18 <= await n.until(lambda: n.api.pod("web") is None) < 20
        assert {e["count"] for e in n.api.events("web") if e["reason"] == "Killing"} == {1}


@pytest.mark.parametrize(("code", "end"), [(0, "Succeeded"), (1, "Failed")])
def test_a_stopped_pod_is_shown_over_before_it_goes(code: int, end: str, tmp_path: Path) -> None:
    @virtual
    async def story() -> None:
        async with node(tmp_path) as n:
            n.runtime.behave("main", term_code=code)
            n.api.user_creates(api_pod(terminationGracePeriodSeconds=30))
            await runs(n)
            n.api.user_deletes("web")
            await n.until(lambda: n.api.pod("web") is None, 5)

            last = [s for s in sent(n) if "phase" in s][-1]
            assert last["phase"] == end
            assert last["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code

    story()


@virtual
async def test_a_pod_that_never_started_ends_with_containers_nobody_has_seen(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod(container={"image": "nosuch.example/x:1"}))
        await n.until(lambda: "ErrImagePull" in str(status_of(n)))
        n.api.user_deletes("web")
        await n.until(lambda: n.api.pod("web") is None, 5)

        last = sent(n)[-1]
        assert last["phase"] == "Failed"
        assert last["containerStatuses"][0]["state"] == {"terminated": LOST}


@virtual
async def test_containers_that_wait_for_init_containers_wait_to_the_end(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        first = {"name": "first", "image": "nosuch.example/x:1"}
        second = {"name": "second", "image": "busybox:1.36"}
        n.api.user_creates(api_pod(initContainers=[first, second]))
        await n.until(lambda: "ErrImagePull" in str(status_of(n)))
        n.api.user_deletes("web")
        await n.until(lambda: n.api.pod("web") is None, 5)

        last = sent(n)[-1]
        init = {s["name"]: s["state"] for s in last["initContainerStatuses"]}
        assert last["phase"] == "Failed"
        assert init == {
            "first": {"terminated": LOST}, "second": {"waiting": {"reason": "PodInitializing"}},
        }  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "code", "end", "reason"),
    [
        ("Never", 0, "Succeeded", "PodCompleted"),
        ("Never", 3, "Failed", "PodFailed"),
        ("OnFailure", 0, "Succeeded", "PodCompleted"),
    ],
)
def test_a_pod_whose_work_is_done_stays_in_the_api(
    policy: str, code: int, end: str, reason: str, tmp_path: Path
) -> None:
    @virtual
    async def story() -> None:
        async with node(tmp_path) as n:
            n.runtime.behave("main", lives=[(5, code)])
            n.api.user_creates(api_pod(restartPolicy=policy))
            await n.until(lambda: phase(n) == end)
            await asyncio.sleep(200)

            ready = next(c for c in status_of(n)["conditions"] if c["type"] == "Ready")
            assert (phase(n), ready["status"], ready["reason"]) == (end, "False", reason)
            assert len(n.runtime.of_pod("web")) == 1
            assert conditions(n)["PodReadyToStartContainers"] == "False"
            assert status_of(n)["podIP"] == "10.244.0.1"
            assert not any(s.state == api.SANDBOX_READY for s in n.runtime.sandboxes.values())

    story()


@virtual
async def test_a_pod_is_not_said_to_be_over_while_a_sidecar_runs(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(5, 0)])
        n.runtime.behave("side", ignores_term=True)
        side = {"name": "side", "image": "busybox:1.36", "restartPolicy": "Always"}
        n.api.user_creates(
            api_pod(restartPolicy="Never", terminationGracePeriodSeconds=20, initContainers=[side])
        )
        await runs(n)
        await n.until(lambda: n.runtime.of_pod("web")[-1].state == api.CONTAINER_EXITED)
        await asyncio.sleep(15)

        assert phase(n) == "Running"
        await n.until(lambda: phase(n) == "Succeeded", 10)


@virtual
async def test_a_finished_pod_is_let_go_when_it_is_deleted(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(1, 0)])
        made = n.api.user_creates(api_pod(restartPolicy="Never"))
        await n.until(lambda: phase(n) == "Succeeded")
        folder = tmp_path / "var/lib/kubelet/pods" / made["metadata"]["uid"]
        assert folder.exists()
        n.api.user_deletes("web")

        await n.until(lambda: not n.runtime.of_pod("web") and not folder.exists(), 10)


@virtual
async def test_a_forced_deletion_leaves_the_containers_their_grace(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.api.user_creates(api_pod(terminationGracePeriodSeconds=8))
        await runs(n)
        n.api.user_deletes("web", force=True)

        assert 8 <= await n.until(lambda: not running(n)) < 9
        await n.until(lambda: not n.runtime.of_pod("web"))


@virtual
async def test_a_pod_of_the_same_name_runs_beside_one_that_was_deleted_by_force(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.api.user_creates(api_pod(terminationGracePeriodSeconds=30))
        await runs(n)
        n.api.user_deletes("web", force=True)
        n.api.user_creates(api_pod(terminationGracePeriodSeconds=30))
        await n.until(lambda: len(running(n)) == 2, 10)
        await runs(n)

        await asyncio.sleep(40)
        assert len(running(n)) == 1
        assert phase(n) == "Running"


@virtual
async def test_a_new_image_restarts_the_container_in_place(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod())
        await runs(n)

        def edit(pod: dict[str, Any]) -> None:
            pod["spec"]["containers"][0]["image"] = "busybox:1.37"
            pod["metadata"]["generation"] = 2

        n.api.user_edits("web", edit)
        await n.until(lambda: status_of(n)["containerStatuses"][0]["restartCount"] == 1)

        assert len(n.runtime.sandboxes) == 1
        assert [c.image.image for c in running(n)] == ["docker.io/library/busybox:1.37"]
        assert status_of(n)["observedGeneration"] == 2
        killed = [e["message"] for e in n.api.events("web") if e["reason"] == "Killing"]
        assert killed == ["Container main definition changed, will be restarted"]


@virtual
async def test_another_label_does_not_touch_the_containers(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod())
        await runs(n)
        before = running(n)[0].id
        n.api.user_edits("web", lambda pod: pod["metadata"]["labels"].update(tier="front"))
        await asyncio.sleep(200)

        assert [c.id for c in running(n)] == [before]


@virtual
async def test_what_others_say_of_a_pod_s_condition_stays(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        gate = {"type": "example.com/fed", "status": "True"}
        n.api.user_creates(api_pod(readinessGates=[{"conditionType": "example.com/fed"}]))
        await runs(n)
        assert conditions(n)["Ready"] == "False"
        n.api.user_edits("web", lambda pod: pod["status"]["conditions"].append(gate))
        n.api.user_edits("web", lambda pod: pod["metadata"]["labels"].update(tier="front"))
        await asyncio.sleep(200)

        assert gate in status_of(n)["conditions"]


@virtual
async def test_events_are_the_api_pod_s(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        made = n.api.user_creates(api_pod())
        version = made["metadata"]["resourceVersion"]
        await runs(n)
        await n.until(lambda: {"Pulled", "Created", "Started"} <= n.api.reasons("web"))

        references = [e["involvedObject"] for e in n.api.events("web")]
        assert {(r["uid"], r["resourceVersion"]) for r in references} == {(made["metadata"]["uid"], version)}


@virtual
async def test_pods_run_on_while_the_api_is_away_and_go_when_it_is_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod())
        await runs(n)
        n.api.down = True
        await asyncio.sleep(300)
        assert len(running(n)) == 1
        (container,) = running(n)
        n.runtime.kill(container.id)
        await n.until(lambda: running(n), 20)

        n.api.user_deletes("web")
        n.api.down = False
        await n.until(lambda: n.api.pod("web") is None, 20)


@virtual
async def test_a_pod_that_stops_while_the_api_goes_away_is_let_go_when_it_is_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.api.user_creates(api_pod(terminationGracePeriodSeconds=10))
        await runs(n)
        n.api.user_deletes("web")
        await asyncio.sleep(5)
        n.api.down = True
        await n.until(lambda: not running(n))
        await asyncio.sleep(100)
        assert n.api.pod("web") is not None
        n.api.down = False

        await n.until(lambda: n.api.pod("web") is None, 20)
        assert not n.runtime.of_pod("web")


@virtual
async def test_a_restart_of_the_kubelet_does_not_touch_the_containers(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod())
        await runs(n)
        before, status = running(n)[0].id, status_of(n)
        await n.stop()
        await asyncio.sleep(60)
        await n.start()
        await asyncio.sleep(200)

        assert [c.id for c in n.runtime.of_pod("web")] == [before]
        assert status_of(n) == status


@virtual
async def test_a_kubelet_that_starts_without_the_api_stops_no_pod_it_does_not_know(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod("usual"))
        n.put("web.yaml", manifest())
        await runs(n, "usual")
        await n.runs()
        await n.stop()
        n.api.down = True
        await n.start()
        await asyncio.sleep(300)
        assert len(running(n, "usual")) == 1

        n.api.user_deletes("usual", force=True)
        n.api.down = False
        await n.until(lambda: not running(n, "usual"), 20)
        assert len(n.running()) == 1


@virtual
async def test_what_was_deleted_while_the_kubelet_was_down_is_stopped_in_its_grace(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.api.user_creates(api_pod(terminationGracePeriodSeconds=30))
        await runs(n)
        await n.stop()
        n.api.user_deletes("web", grace=5)
        await n.start()

        assert 4.9 < await n.until(lambda: n.api.pod("web") is None) < 8


@virtual
async def test_a_finished_pod_is_not_run_again_by_the_next_kubelet(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(1, 0)])
        n.api.user_creates(api_pod(restartPolicy="Never"))
        await n.until(lambda: phase(n) == "Succeeded")
        await n.stop()
        for container in list(n.runtime.containers):
            await n.runtime.remove_container(container)
        await n.start()
        await asyncio.sleep(200)

        assert phase(n) == "Succeeded"
        assert not n.runtime.of_pod("web")


@virtual
async def test_fact_48_a_pod_with_the_mirror_annotation_never_runs_and_is_deleted(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        mark = {"annotations": {"kubernetes.io/config.mirror": "0123456789abcdef"}}
        n.api.user_creates(api_pod("ghost", metadata=mark))

        await n.until(lambda: n.api.pod("ghost") is None, 10)
        assert not n.runtime.of_pod("ghost")


# what the node does not take


REFUSED = {
    "cpu": (
        {"container": {"resources": {"requests": {"cpu": "100000"}}}},
        "OutOfcpu",
        "Node didn't have enough resource: cpu, requested: 100000000, used: 0, capacity: {cpu}",
    ),
    "memory": (
        {"container": {"resources": {"requests": {"memory": "100Ti"}}}},
        "OutOfmemory",
        "Node didn't have enough resource: memory, requested: 109951162777600, used: 0, capacity: {memory}",
    ),
    "selector": (
        {"nodeSelector": {"disk": "ssd"}},
        "NodeAffinity",
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_pod_that_the_node_does_not_take_has_failed(what: str, tmp_path: Path) -> None:
    @virtual
    async def story() -> None:
        async with node(tmp_path) as n:
            change, reason, text = REFUSED[what]
            n.api.user_creates(api_pod(**change))
            await n.until(lambda: phase(n) == "Failed")
            await asyncio.sleep(200)
            assert n.kubelet is not None
            facts = n.kubelet.facts
            message = text.format(cpu=facts.cpus * 1000, memory=facts.memory_kib * 1024)

            assert status_of(n) == {
                "message": f"Pod was rejected: {message}",
                "observedGeneration": 1,
                "phase": "Failed",
                "qosClass": "BestEffort",
                "reason": reason,
            }
            assert [(e["reason"], e["message"], e["count"]) for e in n.api.events("web")] == [
                (reason, message, 1)
            ]
            assert not n.runtime.sandboxes

    story()


@virtual
async def test_a_refused_pod_is_not_tried_again_by_the_next_kubelet(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod(nodeSelector={"disk": "ssd"}))
        await n.until(lambda: phase(n) == "Failed")
        await n.stop()
        n.api.edit_node("node-1", lambda it: it["metadata"]["labels"].update(disk="ssd"))
        await n.start()
        await asyncio.sleep(200)

        assert (phase(n), status_of(n)["reason"]) == ("Failed", "NodeAffinity")
        assert not n.runtime.sandboxes


@virtual
async def test_a_label_that_the_node_was_given_later_counts(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await n.until(lambda: ("nodes", "", "node-1") in n.api.objects)
        n.api.edit_node("node-1", lambda it: it["metadata"]["labels"].update(disk="ssd"))
        await asyncio.sleep(1)
        n.api.user_creates(api_pod(nodeSelector={"disk": "ssd"}))

        await runs(n)


TAINT = {"key": "no", "value": "go", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("tolerations", "taken"),
    [
        ([], False),
        ([{"key": "no", "value": "go", "effect": "NoExecute"}], True),
        ([{"key": "no", "value": "other"}], False),
        ([{"key": "no", "operator": "Exists"}], True),
        ([{"operator": "Exists"}], True),
        ([{"operator": "Exists", "effect": "NoSchedule"}], False),
        ([{"key": "yes", "operator": "Exists"}], False),
    ],
)
def test_a_pod_must_tolerate_the_node_s_no_execute_taints(
    tolerations: list[dict[str, str]], taken: bool, tmp_path: Path
) -> None:
    @virtual
    async def story() -> None:
        async with node(tmp_path) as n:
            await n.until(lambda: ("nodes", "", "node-1") in n.api.objects)
            n.api.edit_node("node-1", lambda it: it["spec"].update(taints=[TAINT]))
            await asyncio.sleep(1)
            n.api.user_creates(api_pod(tolerations=tolerations))
            await n.until(lambda: phase(n) in ("Running", "Failed"))

            assert phase(n) == ("Running" if taken else "Failed")
            if not taken:
                why = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
                assert (status_of(n)["reason"], status_of(n)["message"]) == (
                    "TaintToleration", f"Pod was rejected: {why}",
                )  # fmt: skip

    story()


@pytest.mark.parametrize("effect", ["NoSchedule", "PreferNoSchedule"])
def test_other_taints_are_the_scheduler_s_business(effect: str, tmp_path: Path) -> None:
    @virtual
    async def story() -> None:
        async with node(tmp_path) as n:
            await n.until(lambda: ("nodes", "", "node-1") in n.api.objects)
            n.api.edit_node("node-1", lambda it: it["spec"].update(taints=[{**TAINT, "effect": effect}]))
            await asyncio.sleep(1)
            n.api.user_creates(api_pod())

            await runs(n)

    story()


@virtual
async def test_a_refused_pod_that_is_being_deleted_goes(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.api.user_creates(api_pod(nodeSelector={"disk": "ssd"}))
        await n.until(lambda: phase(n) == "Failed")

        def mark(pod: dict[str, Any]) -> None:
            pod["metadata"] |= {"deletionTimestamp": "2026-11-23T17:56:00Z", "deletionGracePeriodSeconds": 30}

        n.api.user_edits("web", mark)
        await n.until(lambda: n.api.pod("web") is None, 10)
        assert not n.runtime.sandboxes


# room for critical pods


def half(cpus: int) -> dict[str, Any]:
    return {"container": {"resources": {"requests": {"cpu": f"{cpus * 500 + 100}m"}}}}


@virtual
async def test_fact_34_a_static_pod_preempts_a_pod_of_the_api(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        assert n.kubelet is not None
        request = half(n.kubelet.facts.cpus)
        n.runtime.behave("victim", ignores_term=True)
        request_of_victim = {"container": {**request["container"], "name": "victim"}}
        n.api.user_creates(api_pod("victim", terminationGracePeriodSeconds=7, **request_of_victim))
        n.api.user_creates(api_pod("bystander"))
        await runs(n, "victim")
        await runs(n, "bystander")
        n.put("crit.yaml", manifest("crit", **request))
        await asyncio.sleep(6)
        assert not n.running("crit")
        await n.until(lambda: n.running("crit"), 5)

        assert not running(n, "victim")
        await n.until(lambda: phase(n, "victim") == "Failed")
        why = "Preempted in order to admit critical pod"
        status = status_of(n, "victim")
        (target,) = [c for c in status["conditions"] if c["type"] == "DisruptionTarget"]
        assert (status["reason"], status["message"]) == ("Preempting", why)
        assert (target["status"], target["reason"], target["message"]) == (
            "True", "TerminationByKubelet", "Pod was preempted by Kubelet to accommodate a critical pod.",
        )  # fmt: skip
        assert [(e["type"], e["message"]) for e in n.api.events("victim") if e["reason"] == "Preempting"] == [
            ("Warning", why)
        ]
        assert len(running(n, "bystander")) == 1


@virtual
async def test_a_kubelet_that_ends_leaves_no_task_behind(tmp_path: Path) -> None:
    n, before = Node(tmp_path), asyncio.all_tasks()
    await n.start()
    assert n.kubelet is not None
    request = half(n.kubelet.facts.cpus)
    probed = {"readinessProbe": {"exec": {"command": ["up"]}}}
    n.runtime.behave("main", ignores_term=True)
    n.api.user_creates(api_pod("victim", terminationGracePeriodSeconds=70, **request))
    n.put("probed.yaml", manifest("probed", container=probed))
    await runs(n, "victim")
    await n.runs("probed")
    n.put("crit.yaml", manifest("crit", **request))
    n.remove("probed.yaml")
    await n.until(lambda: "Preempting" in n.api.reasons("victim"))

    await n.stop()

    assert asyncio.all_tasks() == before


@virtual
async def test_a_preempted_pod_stays_failed_and_can_be_deleted(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        assert n.kubelet is not None
        request = half(n.kubelet.facts.cpus)
        n.api.user_creates(api_pod("victim", **request))
        await runs(n, "victim")
        n.put("crit.yaml", manifest("crit", **request))
        await n.until(lambda: phase(n, "victim") == "Failed")
        await asyncio.sleep(200)
        assert phase(n, "victim") == "Failed"
        assert len(n.runtime.of_pod("victim")) == 1
        n.api.user_deletes("victim")

        await n.until(lambda: not n.runtime.of_pod("victim"), 70)


@virtual
async def test_an_ordinary_pod_preempts_nobody(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        assert n.kubelet is not None
        request = half(n.kubelet.facts.cpus)
        n.api.user_creates(api_pod("first", **request))
        await runs(n, "first")
        n.api.user_creates(api_pod("second", **request))
        await n.until(lambda: phase(n, "second") == "Failed")

        assert status_of(n, "second")["reason"] == "OutOfcpu"
        assert phase(n, "first") == "Running"


@virtual
async def test_a_finished_pod_is_not_asked_whether_it_would_fit(tmp_path: Path) -> None:
    ports = {"ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]}
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(1, 0)])
        n.api.user_creates(api_pod("done", restartPolicy="Never", container=ports))
        await n.until(lambda: phase(n, "done") == "Succeeded")
        await n.stop()
        n.put("web.yaml", manifest(container={"name": "other", **ports}))

        await n.start()
        await n.until(n.running)
        await asyncio.sleep(20)

        assert phase(n, "done") == "Succeeded"
        assert "NodePorts" not in n.api.reasons("done")


@virtual
async def test_a_pod_waits_until_the_api_has_shown_the_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[Services] = []

    def ignore(services: Services) -> None:
        known.append(services)

    monkeypatch.setattr(Services, "listed", ignore)
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest("static"))
        n.api.user_creates(api_pod())
        await n.runs("static")
        await n.until(lambda: status_of(n).get("containerStatuses"))

        (entry,) = status_of(n)["containerStatuses"]
        why = "services have not yet been read at least once, cannot construct envvars"
        assert entry["state"]["waiting"] == {"message": why, "reason": "CreateContainerConfigError"}
        assert running(n) == []

        known[0].synced = True
        await runs(n)
