"""Init containers and sidecars, from the first start to the last stop."""

import asyncio
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.kubelet.node import Node, manifest, node
from tests.kubelet.virtual_time import virtual


def init(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox:1.36", "command": ["true"], **fields}


def sidecar(name: str, **fields: Any) -> dict[str, Any]:
    return init(name, restartPolicy="Always", **fields)


def started(n: Node) -> list[str]:
    """The containers in the order they were made."""
    return [about for call, about in n.runtime.calls if call == "CreateContainer"]


def entry(n: Node, name: str) -> dict[str, Any]:
    """A container's status on the mirror."""
    status = (n.mirror() or {}).get("status", {})
    listed = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next((dict(e) for e in listed if e["name"] == name), {})


@virtual
async def test_init_containers_run_one_after_the_other(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("one", lives=[(5, 0)])
        n.runtime.behave("two", lives=[(5, 0)])
        n.put("web.yaml", manifest(initContainers=[init("one"), init("two")]))
        await n.until(lambda: entry(n, "one").get("state", {}).get("running"))
        waiting = deepcopy((n.mirror() or {})["status"])
        await n.until(lambda: (n.mirror() or {})["status"]["phase"] == "Running")

        assert started(n) == ["one", "two", "main"]
        assert waiting["phase"] == "Pending"
        assert waiting["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
        initialized = next(c for c in waiting["conditions"] if c["type"] == "Initialized")
        assert initialized["reason"] == "ContainersNotInitialized"
        assert initialized["message"] == "containers with incomplete status: [one two]"
        assert entry(n, "two")["state"]["terminated"]["reason"] == "Completed"


@virtual
async def test_of_many_init_containers_none_is_left_out(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        names = ["one", "two", "three", "four"]
        for name in names:
            n.runtime.behave(name, lives=[(1, 0)])
        n.put("web.yaml", manifest(initContainers=[init(name) for name in names]))
        await n.until(n.running, 30)
        await n.until(lambda: started(n)[-1] == "main", 30)

        assert started(n) == [*names, "main"]


@virtual
async def test_a_failing_init_container_is_tried_again_with_back_off(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("one", lives=[(0.1, 1), (0.1, 1), (0.1, 0)])
        n.put("web.yaml", manifest(initContainers=[init("one")]))

        took = await n.until(lambda: "main" in started(n))

        assert started(n) == ["one", "one", "one", "main"]
        assert 10 <= took <= 17


@virtual
async def test_a_failing_init_container_of_a_never_pod_fails_the_pod(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("one", lives=[(0.1, 1)])
        n.put("web.yaml", manifest(initContainers=[init("one")], restartPolicy="Never"))

        await n.until(lambda: (n.mirror() or {}).get("status", {}).get("phase") == "Failed")
        await asyncio.sleep(100)

        assert started(n) == ["one"]


@virtual
async def test_a_sidecar_runs_before_and_beside_the_containers(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("one", lives=[(1, 0)])
        n.put("web.yaml", manifest(initContainers=[sidecar("side"), init("one")]))
        await n.until(lambda: (n.mirror() or {}).get("status", {}).get("phase") == "Running")

        assert started(n) == ["side", "one", "main"]
        assert sorted(c.metadata.name for c in n.running()) == ["main", "side"]
        assert (entry(n, "side")["started"], entry(n, "side")["ready"]) == (True, True)


@virtual
async def test_a_sidecars_startup_probe_keeps_the_next_ones_waiting(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("side", commands={("up",): 1})
        probe = {"exec": {"command": ["up"]}, "periodSeconds": 1, "failureThreshold": 100}
        n.put("web.yaml", manifest(initContainers=[sidecar("side", startupProbe=probe)]))
        await n.until(n.running)
        await asyncio.sleep(10)
        assert started(n) == ["side"]

        n.runtime.behave("side", commands={("up",): 0})
        await n.until(lambda: started(n) == ["side", "main"])


@virtual
async def test_a_sidecar_that_ends_is_started_again_whatever_the_restart_policy(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("side", lives=[(5, 0), (None, 0)])
        n.put("web.yaml", manifest(initContainers=[sidecar("side")], restartPolicy="Never"))
        await n.until(lambda: started(n) == ["side", "main", "side"])

        await n.until(lambda: entry(n, "side").get("restartCount") == 1)
        assert (n.mirror() or {})["status"]["phase"] == "Running"


@virtual
async def test_sidecars_do_not_keep_a_pod_alive_that_is_done(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(5, 0)])
        n.put("web.yaml", manifest(initContainers=[sidecar("side")], restartPolicy="Never"))

        await n.until(lambda: (n.mirror() or {}).get("status", {}).get("phase") == "Succeeded")

        await n.until(lambda: not n.running())


@virtual
async def test_sidecars_end_after_the_containers_and_from_the_last_to_the_first(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        spec = {"initContainers": [sidecar("a"), sidecar("b")], "terminationGracePeriodSeconds": 20}
        n.put("web.yaml", manifest(**spec))
        await n.until(lambda: len(n.running()) == 3)
        names = {c.id: c.metadata.name for c in n.running()}

        n.remove("web.yaml")
        await n.until(lambda: not n.running())

        stops = [about.split() for call, about in n.runtime.calls if call == "StopContainer"]
        assert [names[container] for container, _ in stops] == ["main", "b", "a"]


@virtual
async def test_waiting_for_the_containers_is_part_of_a_sidecars_grace_period(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", ignores_term=True)
        n.put("web.yaml", manifest(initContainers=[sidecar("side")], terminationGracePeriodSeconds=20))
        await n.until(lambda: len(n.running()) == 2)

        n.remove("web.yaml")
        took = await n.until(lambda: not n.running())

        assert 20 <= took < 22
        assert [about.split()[1] for call, about in n.runtime.calls if call == "StopContainer"] == ["20", "1"]


@virtual
async def test_a_restarted_kubelet_leaves_sidecars_and_containers_as_they_are(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest(initContainers=[init("one"), sidecar("side")]))
        n.runtime.behave("one", lives=[(1, 0)])
        await n.until(lambda: (n.mirror() or {}).get("status", {}).get("phase") == "Running")
        before = {c.id for c in n.running()}

        await n.stop()
        for container in n.runtime.of_pod("web-node-1"):
            if container.metadata.name == "one":
                await n.runtime.remove_container(container.id)
        await n.start()
        await asyncio.sleep(100)

        assert {c.id for c in n.running()} == before
        assert entry(n, "one")["state"]["terminated"]["exitCode"] == 0


@virtual
async def test_restart_rules_of_a_container_come_before_the_pods_policy(tmp_path: Path) -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    container = {"restartPolicy": "Never", "restartPolicyRules": [rule]}
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(1, 42), (1, 1)])
        n.put("web.yaml", manifest(container=container))

        await n.until(lambda: (n.mirror() or {}).get("status", {}).get("phase") == "Failed")

        assert started(n) == ["main", "main"]
