"""What a pod's sync and its end say when the runtime does not do its part, and that they are tried again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.cri import CriError
from tests.kubelet.node import Node, manifest, node
from tests.kubelet.virtual_time import virtual

REFUSED = CriError("Unknown", "no room")
SKIPPED = 'pod_workers.go:1324] "Error syncing pod, skipping" err="{}" pod="default/web-node-1"'


def phase(n: Node) -> str:
    return str((n.mirror() or {}).get("status", {}).get("phase"))


@pytest.mark.parametrize("call", ["ListPodSandbox", "ListContainers", "ContainerStatus"])
def test_a_pod_of_which_the_runtime_does_not_tell_is_looked_at_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    @virtual
    async def check() -> None:
        async with node(tmp_path) as n:
            n.put("web.yaml", manifest())
            await n.runs()
            n.runtime.failing[call] = REFUSED
            n.runtime.kill(n.running()[0].id)
            await asyncio.sleep(3)

            assert SKIPPED.format("rpc error: code = Unknown desc = no room") in capsys.readouterr().err
            n.runtime.failing.clear()
            await n.until(n.running)

    check()


@virtual
async def test_a_pod_whose_containers_outlive_their_end_is_stopped_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any) -> None:
        """Say that it was done."""

    side = {"name": "side", "image": "busybox:1.36"}
    web = manifest()
    web["spec"]["containers"].append(side)
    async with node(tmp_path) as n:
        n.put("web.yaml", web)
        await n.until(lambda: len(n.running()) == 2)
        with monkeypatch.context() as broken:
            broken.setattr(n.runtime, "stop_container", nothing)
            broken.setattr(n.runtime, "stop_sandbox", nothing)
            n.remove("web.yaml")
            await asyncio.sleep(5)

            said = capsys.readouterr().err
            why = "detected running containers after a successful KillPod, CRI violation: [{}]"
            assert any(SKIPPED.format(why.format(which)) in said for which in ("main, side", "side, main"))
            assert n.mirror() is not None

        await n.until(lambda: n.mirror() is None)
        assert n.running() == []


@virtual
async def test_a_pod_over_its_deadline_that_cannot_be_stopped_is_stopped_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(activeDeadlineSeconds=30))
        await n.runs()
        n.runtime.failing["StopContainer"] = REFUSED
        await asyncio.sleep(35)

        assert SKIPPED.format("rpc error: code = Unknown desc = no room") in capsys.readouterr().err
        assert (len(n.running()), phase(n)) == (1, "Running")
        n.runtime.failing.clear()
        await n.until(lambda: phase(n) == "Failed")
        assert n.running() == []


@virtual
async def test_while_the_network_is_not_ready_a_pod_waits_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.runtime.network_ready = False
        await asyncio.sleep(10)
        n.put("web.yaml", manifest())
        await n.until(lambda: "NetworkNotReady" in n.api.reasons("web-node-1"))

        why = (
            "network is not ready: container runtime network not ready: NetworkReady=false "
            "reason:NetworkPluginNotReady message:cni plugin not initialized"
        )
        (event,) = n.api.events("web-node-1")
        assert (event["type"], event["reason"], event["message"]) == ("Warning", "NetworkNotReady", why)
        assert SKIPPED.format(why) in capsys.readouterr().err
        assert n.runtime.of_pod("web-node-1") == []

        n.runtime.network_ready = True
        await n.runs()


@virtual
async def test_a_pod_that_waits_for_its_turn_is_pending(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.put("web.yaml", manifest(terminationGracePeriodSeconds=20))
        await n.runs()
        n.put("web.yaml", manifest(container={"image": "busybox:1.37"}))
        await asyncio.sleep(5)

        assert n.kubelet is not None
        (pod,) = [p for p in n.kubelet.pods() if p.containers[0].image == "busybox:1.37"]
        assert n.kubelet.syncer.status_of(pod) == {"phase": "Pending"}
