"""What the node refuses and what ends by itself: facts 33, 34, 36 and 40."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.klog import quote
from tests.kubelet.node import Node, manifest, node
from tests.kubelet.virtual_time import virtual

PORTS = {"ports": [{"containerPort": 80, "hostPort": 8080}]}


def own_status(n: Node, pod: str) -> dict[str, Any]:
    """The status that the kubelet's own `/pods` shows."""
    assert n.kubelet is not None
    (it,) = (p for p in n.kubelet.pods() if p.name == f"{pod}-{n.name}")
    return n.kubelet.syncer.status_of(it)


@virtual
async def test_fact_34_a_host_port_that_is_taken_refuses_the_pod_for_good(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("a.yaml", manifest("first", container=PORTS))
        await n.runs("first")
        n.put("b.yaml", manifest("second", container=PORTS))
        await n.until(lambda: "NodePorts" in n.api.reasons("second-node-1"))
        n.remove("a.yaml")
        await asyncio.sleep(200)

        why = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
        assert own_status(n, "second") == {
            "phase": "Failed",
            "reason": "NodePorts",
            "message": f"Pod was rejected: {why}",
        }
        assert {e["message"] for e in n.api.events("second-node-1")} == {why}
        assert not n.runtime.of_pod("second-node-1")
        assert n.mirror("second") is None


@virtual
async def test_fact_34_a_refused_pod_is_looked_at_again_when_the_kubelet_restarts(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("a.yaml", manifest("first", container=PORTS))
        await n.runs("first")
        n.put("b.yaml", manifest("second", container=PORTS))
        await n.until(lambda: "NodePorts" in n.api.reasons("second-node-1"))
        n.remove("a.yaml")
        await n.until(lambda: not n.running("first"))

        await n.stop()
        await n.start()

        await n.runs("second")


@virtual
async def test_fact_34_an_edit_is_looked_at_again(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(nodeSelector={"disk": "ssd"}))
        await n.until(lambda: "NodeAffinity" in n.api.reasons("web-node-1"))

        n.put("web.yaml", manifest())

        await n.runs()


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        (
            {"nodeSelector": {"disk": "ssd"}},
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        ),
        (
            {"container": {"resources": {"requests": {"cpu": "5000"}}}},
            "UnexpectedAdmissionError",
            "Unexpected error while attempting to recover from admission failure: preemption: error finding "
            "a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: ",
        ),
        (
            {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
            "SysctlForbidden",
            'forbidden sysctl: "kernel.msgmax" not allowlisted',
        ),
        (
            {"os": {"name": "windows"}},
            "PodOSNotSupported",
            "Failed to admit pod as the OS field doesn't match",
        ),
    ],
)
def test_fact_34_reasons_are_the_real_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spec: dict[str, Any], reason: str, message: str
) -> None:
    @virtual
    async def check() -> None:
        async with node(tmp_path) as n:
            n.put("web.yaml", manifest(**spec))
            await n.until(lambda: reason in n.api.reasons("web-node-1"))

            (event,) = n.api.events("web-node-1")
            assert event["message"].startswith(message)
            assert event["type"] == "Warning"
            said = capsys.readouterr().err
            denied = f'reason="{reason}" message={quote(event["message"])} operation="add"'
            assert f'pod="default/web-node-1" {denied}' in said
            why = "preemption: error finding a set of pods to preempt: no set of running pods found to"
            failed = (
                'predicate.go:194] "Failed to admit pod, unexpected error while attempting to recover from '
                f'admission failure" pod="default/web-node-1" err="{why}'
            )
            assert (failed in said) is (reason == "UnexpectedAdmissionError")

    check()


@virtual
async def test_fact_33_a_pod_that_is_done_is_not_mirrored_again(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(1, 0)])
        n.put("web.yaml", manifest(restartPolicy="Never"))
        await n.until(lambda: (n.mirror() or {}).get("status", {}).get("phase") == "Succeeded")

        n.api.user_deletes("web-node-1", force=True)
        await asyncio.sleep(200)

        assert n.mirror() is None


@virtual
async def test_fact_36_a_deadline_ends_the_pod_in_time_and_for_good(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(activeDeadlineSeconds=30))
        await n.runs()

        took = await n.until(lambda: not n.running())
        await n.until(lambda: (n.mirror() or {})["status"]["phase"] == "Failed")
        await asyncio.sleep(200)

        assert 28 <= took <= 31
        assert not n.running()
        status = (n.mirror() or {})["status"]
        why = "Pod was active on the node longer than the specified deadline"
        assert (status["reason"], status["message"]) == ("DeadlineExceeded", why)
        assert "DeadlineExceeded" in n.api.reasons("web-node-1")


@virtual
async def test_fact_36_over_its_deadline_a_pod_is_not_said_to_be_over_while_it_runs(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.put("web.yaml", manifest(activeDeadlineSeconds=30, terminationGracePeriodSeconds=20))
        await n.runs()

        await asyncio.sleep(40)
        assert n.running()
        assert (n.mirror() or {})["status"]["phase"] == "Running"
        assert "reason" not in (n.mirror() or {})["status"]

        took = await n.until(lambda: (n.mirror() or {})["status"]["phase"] == "Failed")
        assert 5 < took < 15
        assert not n.running()


@virtual
async def test_fact_40_the_kubelet_lists_its_pods_by_static_uid_while_the_api_is_down(tmp_path: Path) -> None:
    async with node(tmp_path, api_down=True) as n:
        n.put("web.yaml", manifest())
        await n.until(n.running)
        assert n.kubelet is not None
        (pod,) = n.kubelet.pods()

        await n.until(lambda: own_status(n, "web").get("phase") == "Running")
        assert pod.uid == pod.annotations["kubernetes.io/config.hash"]


@virtual
async def test_a_pod_that_is_over_holds_its_port_while_it_still_runs(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("late", ignores_term=True)
        late = {"name": "late", **PORTS}
        n.put(
            "a.yaml",
            manifest("first", container=late, activeDeadlineSeconds=5, terminationGracePeriodSeconds=30),
        )
        await n.runs("first")
        await n.until(lambda: own_status(n, "first").get("phase") == "Failed", 20)
        assert n.running("first")
        n.put("b.yaml", manifest("second", container=PORTS))
        await n.until(lambda: "NodePorts" in n.api.reasons("second-node-1"))

        await n.until(lambda: not n.running("first"))
        n.put("c.yaml", manifest("third", container=PORTS))
        await n.until(lambda: n.running("third"))


@virtual
async def test_a_static_pod_that_is_refused_after_an_edit_is_shown_by_the_mirror_of_the_one_before(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        await n.until(lambda: n.status().get("ready"))
        before = n.mirror()
        assert before is not None

        n.put("web.yaml", manifest(container={"resources": {"requests": {"cpu": "5000"}}}))
        await n.until(lambda: (n.mirror() or {})["status"]["phase"] == "Failed")

        after = n.mirror()
        assert after is not None
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["spec"] == before["spec"]
        status = after["status"]
        assert status["reason"] == "UnexpectedAdmissionError"
        assert status["message"].startswith("Pod was rejected: Unexpected error while attempting to recover")
        assert status["startTime"] == before["status"]["startTime"]
        assert not status.get("conditions")
        assert not status.get("containerStatuses")

        n.put("web.yaml", manifest())
        await n.until(lambda: n.status().get("ready"))

        healed = n.mirror()
        assert healed is not None
        assert healed["metadata"]["uid"] == before["metadata"]["uid"]
