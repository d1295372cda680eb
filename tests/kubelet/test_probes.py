"""Startup, readiness and liveness probes over time."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.cri import CriError
from tests.kubelet.node import Node, api_pod, manifest, node
from tests.kubelet.virtual_time import virtual

CHECK = ("check",)


@virtual
async def test_a_container_is_ready_once_its_readiness_probe_passes(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", commands={CHECK: 1})
        probe = {"exec": {"command": list(CHECK)}, "periodSeconds": 1}
        n.put("web.yaml", manifest(container={"readinessProbe": probe}))
        await n.runs()
        await asyncio.sleep(3)
        before = n.status()["ready"]

        n.runtime.behave("main", commands={CHECK: 0})

        assert await n.until(lambda: n.status()["ready"]) < 1.5
        assert before is False
        assert n.status()["restartCount"] == 0


@virtual
async def test_the_first_probe_comes_at_once_and_makes_the_pod_ready_at_once(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        command = {"exec": {"command": list(CHECK)}}
        n.put("web.yaml", manifest(container={"startupProbe": command, "readinessProbe": command}))

        assert await n.until(lambda: n.status().get("ready")) < 0.2


@virtual
async def test_readiness_waits_for_startup(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", commands={CHECK: 1})
        startup = {"exec": {"command": list(CHECK)}, "periodSeconds": 1, "failureThreshold": 100}
        readiness = {"exec": {"command": ["ready"]}, "periodSeconds": 1}
        n.put("web.yaml", manifest(container={"startupProbe": startup, "readinessProbe": readiness}))
        await n.runs()
        await asyncio.sleep(5)

        assert n.status()["started"] is False
        assert ("ExecSync", "ready") not in n.runtime.calls

        n.runtime.behave("main", commands={CHECK: 0})
        await n.until(lambda: n.status()["started"] and n.status()["ready"], 2)


@virtual
async def test_a_failing_liveness_probe_restarts_the_container_and_says_so(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", commands={CHECK: 1})
        probe = {"exec": {"command": list(CHECK)}, "periodSeconds": 1, "failureThreshold": 2}
        n.put("web.yaml", manifest(container={"livenessProbe": probe}))
        await n.runs()

        await n.until(lambda: n.status().get("restartCount", 0) >= 1, 5)
        await n.until(lambda: {"Unhealthy", "Killing"} <= n.api.reasons("web-node-1"))

        messages = {e["message"] for e in n.api.events("web-node-1")}
        assert "Container main failed liveness probe, will be restarted" in messages
        assert any(m.startswith("Liveness probe failed: ") for m in messages)


@virtual
async def test_a_probe_starts_after_its_initial_delay(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        probe = {"exec": {"command": list(CHECK)}, "initialDelaySeconds": 7, "periodSeconds": 1}
        n.put("web.yaml", manifest(container={"readinessProbe": probe}))

        took = await n.until(lambda: n.status().get("ready"))

        assert 7 <= took < 7.5


@virtual
async def test_probes_that_began_at_different_times_fall_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(tmp_path) as n:
        loop, moments = asyncio.get_running_loop(), list[float]()
        execute = n.runtime.exec_sync

        async def timed(*arguments: Any) -> Any:
            moments.append(round(loop.time(), 3))
            return await execute(*arguments)

        monkeypatch.setattr(n.runtime, "exec_sync", timed)
        for name, period in (("one", 1), ("two", 2)):
            probe = {"exec": {"command": list(CHECK)}, "periodSeconds": period}
            n.put(f"{name}.yaml", manifest(name, container={"livenessProbe": probe}))
            await n.runs(name)
            await asyncio.sleep(0.4)
        await asyncio.sleep(2)
        moments.clear()
        await asyncio.sleep(4)

        assert len(moments) == 6
        assert len({round(moment - moments[0], 3) for moment in moments}) == 4


@virtual
async def test_success_and_failure_have_thresholds(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        probe = {
            "exec": {"command": list(CHECK)},
            "periodSeconds": 1,
            "successThreshold": 3,
            "failureThreshold": 4,
        }
        n.put("web.yaml", manifest(container={"readinessProbe": probe}))
        ready = await n.until(lambda: n.status().get("ready"))

        n.runtime.behave("main", commands={CHECK: 1})
        unready = await n.until(lambda: not n.status()["ready"])

        assert 2 <= ready < 2.5
        assert 3 <= unready < 4.5


@virtual
async def test_after_a_restart_of_the_kubelet_a_static_pod_is_unready_until_it_is_probed(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as n:
        startup = {"exec": {"command": ["start"]}, "periodSeconds": 1}
        readiness = {"exec": {"command": list(CHECK)}, "periodSeconds": 1, "initialDelaySeconds": 5}
        n.put("web.yaml", manifest(container={"startupProbe": startup, "readinessProbe": readiness}))
        await n.until(lambda: n.status().get("ready"))
        await n.stop()
        n.runtime.calls.clear()
        sent = len(n.api.requests)
        n.runtime.behave("main", commands={CHECK: 1})
        await asyncio.sleep(1)

        await n.start()
        await n.until(lambda: not n.status()["ready"], 5)
        n.runtime.behave("main", commands={CHECK: 0})
        await n.until(lambda: n.status()["ready"])

        patches = [body["status"] for _, path, body in n.api.requests[sent:] if path.endswith("/status")]
        shown = [c for patch in patches for c in patch.get("containerStatuses", ())]
        assert [(c["started"], c["ready"]) for c in shown] == [(True, False), (True, True)]
        assert {about for call, about in n.runtime.calls if call == "ExecSync"} == {" ".join(CHECK)}


@virtual
async def test_what_ran_before_the_kubelet_counts_as_started_whatever_its_startup_probe_said(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", commands={CHECK: 1})
        startup = {"exec": {"command": list(CHECK)}, "periodSeconds": 1, "failureThreshold": 500}
        n.put("web.yaml", manifest(container={"startupProbe": startup}))
        await n.runs()
        await asyncio.sleep(3)
        before = n.status()["started"]
        await n.stop()
        n.runtime.calls.clear()
        await asyncio.sleep(1)

        await n.start()
        await n.until(lambda: n.status()["started"])
        await asyncio.sleep(3)

        assert not before
        assert n.status()["ready"]
        assert "ExecSync" not in {call for call, _ in n.runtime.calls}


@virtual
async def test_a_restarted_kubelet_does_not_ask_a_started_container_whether_it_has_started(
    tmp_path: Path,
) -> None:
    def shown(n: Node) -> dict[str, Any]:
        status = (n.api.pod("web") or {}).get("status", {})
        return dict((status.get("containerStatuses") or [{}])[0])

    async with node(tmp_path) as n:
        startup = {"exec": {"command": list(CHECK)}, "periodSeconds": 1}
        readiness = {"exec": {"command": ["ready"]}, "periodSeconds": 1}
        n.api.user_creates(api_pod(container={"startupProbe": startup, "readinessProbe": readiness}))
        await n.until(lambda: shown(n).get("ready"))
        await n.stop()
        n.runtime.behave("main", commands={CHECK: 1})
        n.runtime.calls.clear()
        sent = len(n.api.requests)
        await asyncio.sleep(1)

        await n.start()
        await asyncio.sleep(15)

        asked = [about for call, about in n.runtime.calls if call == "ExecSync"]
        assert set(asked) == {"ready"}
        assert (shown(n)["started"], shown(n)["ready"], shown(n)["restartCount"]) == (True, True, 0)
        said = [body["status"] for _, path, body in n.api.requests[sent:] if path.endswith("web/status")]
        assert all(c["ready"] for status in said for c in status.get("containerStatuses", ()))


@virtual
async def test_a_probe_that_cannot_be_tried_says_so_after_three_attempts_and_changes_nothing(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as n:
        probe = {"exec": {"command": list(CHECK)}, "periodSeconds": 5, "failureThreshold": 1}
        n.put("web.yaml", manifest(container={"livenessProbe": probe}))
        await n.runs()
        n.runtime.failing["ExecSync"] = CriError("Internal", "no shell")
        n.runtime.calls.clear()
        await asyncio.sleep(6)

        assert [call for call, _ in n.runtime.calls].count("ExecSync") == 3
        (event,) = [e for e in n.api.events("web-node-1") if e["reason"] == "Unhealthy"]
        assert event["message"] == (
            "Liveness probe errored and resulted in unknown state: rpc error: code = Internal desc = no shell"
        )
        assert (n.status()["restartCount"], event["type"]) == (0, "Warning")
        assert event["involvedObject"]["fieldPath"] == "spec.containers{main}"


@virtual
async def test_a_fault_of_ours_ends_no_probing_and_is_told_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        asked = n.runtime.exec_sync
        broken = iter([RuntimeError("unforeseen")])

        async def once_broken(*arguments: Any, **options: Any) -> Any:
            for error in broken:
                raise error
            return await asked(*arguments, **options)

        monkeypatch.setattr(n.runtime, "exec_sync", once_broken)
        probe = {"exec": {"command": list(CHECK)}, "periodSeconds": 1}
        n.put("web.yaml", manifest(container={"readinessProbe": probe}))

        assert await n.until(lambda: n.status().get("ready"), 3) > 0.5

    assert '"Observed a panic" err="RuntimeError(\'unforeseen\')"' in capsys.readouterr().err
