"""What the runtime is asked for a pod, and what is said where it refuses."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.cri import CriError
from tests.kubelet.node import Node, manifest, node
from tests.kubelet.virtual_time import virtual

REFUSED = CriError("Unknown", "no room")
UP = {"exec": {"command": ["up"]}, "periodSeconds": 1, "failureThreshold": 1}


def told(n: Node, reason: str) -> set[str]:
    return {e["message"] for e in n.api.events("web-node-1") if e["reason"] == reason}


def stops(n: Node) -> list[str]:
    """The grace periods that containers were stopped with."""
    return [about.split()[1] for call, about in n.runtime.calls if call == "StopContainer"]


@virtual
async def test_a_sandbox_that_cannot_be_made_is_told_of_by_all_who_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.runtime.failing["RunPodSandbox"] = REFUSED
        n.put("web.yaml", manifest())
        await n.until(lambda: told(n, "FailedCreatePodSandBox"))

        why = "rpc error: code = Unknown desc = no room"
        assert told(n, "FailedCreatePodSandBox") == {f"Failed to create pod sandbox: {why}"}
        said = capsys.readouterr().err
        assert f'remote_runtime.go:168] "RunPodSandbox from runtime service failed" err="{why}"' in said
        rest = f'err="{why}" pod="default/web-node-1"'
        assert f'kuberuntime_sandbox.go:71] "Failed to create sandbox for pod" {rest}' in said
        assert f'kuberuntime_manager.go:1586] "CreatePodSandbox for pod failed" {rest}' in said
        pod = said.partition('failed to \\"CreatePodSandbox\\" for \\"')[2].partition("\\")[0]
        assert (
            f'"Error syncing pod, skipping" err="failed to \\"CreatePodSandbox\\" for \\"{pod}\\" with '
            f'CreatePodSandboxError: \\"Failed to create sandbox for pod \\\\\\"{pod}\\\\\\": {why}\\""'
            in said
        )

        n.runtime.failing.clear()
        await n.until(n.running)


@pytest.mark.parametrize(
    ("call", "reason", "line"),
    [
        ("CreateContainer", "CreateContainerError",
         'remote_runtime.go:403] "CreateContainer in sandbox from runtime service failed" err="{}" '
         "podSandboxID="),
        ("StartContainer", "RunContainerError",
         'remote_runtime.go:435] "StartContainer from runtime service failed" err="{}" containerID='),
    ],
)  # fmt: skip
def test_a_container_that_the_runtime_refuses_waits_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], call: str, reason: str, line: str
) -> None:
    @virtual
    async def check() -> None:
        async with node(tmp_path) as n:
            n.runtime.failing[call] = REFUSED
            n.put("web.yaml", manifest())
            await n.until(lambda: n.status().get("state", {}).get("waiting", {}).get("message"))
            await n.until(lambda: told(n, "Failed"))

            assert n.status()["state"]["waiting"] == {"message": "no room", "reason": reason}
            assert told(n, "Failed") == {"Error: no room"}
            said = capsys.readouterr().err
            assert line.format("rpc error: code = Unknown desc = no room") in said
            started = (
                'kuberuntime_manager.go:1727] "Unhandled Error" err="container main start failed in pod '
            )
            assert f"{started}web-node-1_default(" in said
            assert f'): {reason}: no room" logger="UnhandledError"' in said

    check()


@pytest.mark.parametrize(("gone", "kept"), [(False, True), (True, False)])
def test_a_dead_container_that_cannot_be_removed_keeps_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gone: bool, kept: bool
) -> None:
    @virtual
    async def check() -> None:
        async with node(tmp_path) as n:
            n.runtime.behave("main", lives=[(1, 1)])
            why = "not found" if gone else "busy"
            n.runtime.failing["RemoveContainer"] = CriError("NotFound" if gone else "Unknown", why)
            n.put("web.yaml", manifest())
            await n.until(lambda: "RemoveContainer" in dict(n.runtime.calls))
            first = n.runtime.of_pod("web-node-1")[0]
            await asyncio.sleep(1)

            line = (
                f'"RemoveContainer from runtime service failed" err="rpc error: code = Unknown desc = {why}"'
            )
            assert (f'{line} containerID="{first.id}"' in capsys.readouterr().err) is kept
            links = [p.readlink().name for p in (tmp_path / "var/log/containers").iterdir()]
            assert (f"{first.metadata.attempt}.log" in links) is kept

    check()


@pytest.mark.parametrize("kind", ["liveness", "startup"])
@pytest.mark.parametrize(("own", "grace"), [({"terminationGracePeriodSeconds": 3}, "3"), ({}, "20")])
def test_a_container_that_a_probe_condemns_has_the_probes_grace_period(
    tmp_path: Path, kind: str, own: dict[str, Any], grace: str
) -> None:
    @virtual
    async def check() -> None:
        async with node(tmp_path) as n:
            n.runtime.behave("main", commands={("up",): 1})
            other = {"livenessProbe": {**UP, "initialDelaySeconds": 1000, "terminationGracePeriodSeconds": 7}}
            probes = {**other, f"{kind}Probe": {**UP, **own}}
            n.put("web.yaml", manifest(container=probes, terminationGracePeriodSeconds=20))
            await n.until(lambda: stops(n))

            assert stops(n)[0] == grace

    check()


@virtual
async def test_a_pod_whose_sandbox_cannot_be_stopped_is_stopped_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        n.runtime.failing["StopPodSandbox"] = REFUSED
        n.remove("web.yaml")
        await n.until(lambda: not n.running())
        await asyncio.sleep(5)

        assert '"KillPod failed" err="rpc error: code = Unknown desc = no room"' in capsys.readouterr().err
        assert n.mirror() is not None
        n.runtime.failing.clear()
        await n.until(lambda: n.mirror() is None)


@pytest.mark.parametrize(("host_network", "address"), [(False, "10.244.0."), (True, "172.18.0.2")])
def test_a_container_knows_its_addresses_and_the_nodes(
    tmp_path: Path, host_network: bool, address: str
) -> None:
    fields = {name: f"status.{name}" for name in ("podIP", "podIPs", "hostIP", "hostIPs")}
    env = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]

    @virtual
    async def check() -> None:
        async with node(tmp_path) as n:
            n.put("web.yaml", manifest(container={"env": env}, hostNetwork=host_network))
            running = await n.runs()

            known = {v.key: v.value for v in n.runtime.config_of(running.id).envs if v.key in fields}
            assert known["podIP"].startswith(address)
            assert known["podIPs"].split(",")[0] == known["podIP"]
            assert (known["hostIP"], known["hostIPs"]) == ("172.18.0.2", "172.18.0.2")

    check()


@virtual
async def test_what_is_told_of_a_container_names_its_place_in_the_spec(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        await n.until(lambda: told(n, "Started"))

        places = {e["reason"]: e["involvedObject"].get("fieldPath") for e in n.api.events("web-node-1")}
        assert places == dict.fromkeys(("Pulled", "Created", "Started"), "spec.containers{main}")
