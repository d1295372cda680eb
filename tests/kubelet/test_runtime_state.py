"""A runtime that is down: when that is said, what waits for it, and what is done when it is back.

Times and words are those of a real kubelet 1.36.2 whose containerd was stopped for a minute.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.runtime_state import RuntimeState
from tests.kubelet.node import Node, manifest, node
from tests.kubelet.virtual_time import virtual

WHY = "rpc error: code = Unavailable desc = connection error: desc = transport: connection refused"
SKIPPING = 'kubelet.go:2661] "Skipping pod synchronization" err="container runtime is down"'


def ready(n: Node) -> dict[str, Any]:
    """The node's Ready condition, as the API has it."""
    status = n.api.objects["nodes", "", n.name]["status"]
    return next(dict(each) for each in status["conditions"] if each["type"] == "Ready")


@virtual
async def test_a_runtime_counts_as_down_after_half_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        n.runtime.down = True

        await asyncio.sleep(24)
        early = capsys.readouterr().err
        assert ready(n)["status"] == "True"

        await asyncio.sleep(20)
        late = capsys.readouterr().err
        assert ready(n)["status"] == "False"

    assert f'kubelet.go:3262] "Container runtime sanity check failed" err="{WHY}"' in early
    assert f'kubelet_pods.go:1277] "Error listing containers" err="{WHY}"' in early
    assert f'kubelet.go:2820] "Failed cleaning pods" err="{WHY}"' in early
    assert SKIPPING not in early
    assert SKIPPING in late
    assert "Failed cleaning pods" not in late[late.index(SKIPPING) :]
    assert (ready(n)["reason"], ready(n)["message"]) == ("KubeletNotReady", "container runtime is down")
    assert 'setters.go:547] "Node became not ready" node="node-1" condition={"type":"Ready",' in late
    assert "Error syncing pod" not in early + late


@virtual
async def test_it_is_said_after_ever_longer_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with node(tmp_path) as n:
        n.runtime.down = True
        await n.until(lambda: "runtime is down" in capsys.readouterr().err)

        await asyncio.sleep(13.2)  # after 0.1, 0.2, 0.4, 0.8, 1.6, 3.2 and 5 seconds

    assert capsys.readouterr().err.count(SKIPPING) == 7


@virtual
async def test_what_changes_meanwhile_is_done_when_the_runtime_is_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("old.yaml", manifest("old"))
        n.put("dies.yaml", manifest("dies"))
        await n.runs("old")
        died = await n.runs("dies")
        n.runtime.down = True
        await asyncio.sleep(40)

        n.put("new.yaml", manifest("new"))
        n.remove("old.yaml")
        n.runtime.kill(died.id)
        await asyncio.sleep(30)
        assert n.running("old")
        assert not n.running("new")

        n.runtime.down = False
        await n.until(lambda: n.running("new") and not n.running("old") and n.running("dies"), limit=15)
        await n.until(lambda: ready(n)["status"] == "True", limit=15)
        await n.until(lambda: {"NodeNotReady", "NodeReady", "ContainerGCFailed"} <= n.api.reasons(n.name))


@virtual
async def test_a_network_that_is_not_ready_is_told_of_the_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        await n.until(lambda: ("nodes", "", n.name) in n.api.objects)
        n.runtime.network_ready = False

        await n.until(lambda: ready(n)["status"] == "False", limit=20)

    why = "NetworkReady=false reason:NetworkPluginNotReady message:cni plugin not initialized"
    assert ready(n)["message"] == f"container runtime network not ready: {why}"
    said = capsys.readouterr().err
    assert f'kubelet.go:3277] "Container runtime network not ready" networkReady="{why}"' in said
    assert "Skipping pod synchronization" not in said.partition("Successfully registered node")[2]


def test_what_is_wrong_is_told_in_upstreams_words_and_order() -> None:
    now = 0.0
    state = RuntimeState(lambda: now)
    never = "PLEG is not healthy: pleg has yet to be successful"
    unasked = "container runtime status check may not have completed yet"
    assert state.why_not_ready() == f"[{unasked}, {never}, network state unknown]"

    state.answered()
    state.network = ""
    assert state.why_not_ready() == never

    state.relisted()
    assert state.why_not_ready() == ""

    now = 180.5
    state.answered()
    seen = "PLEG is not healthy: pleg was last seen active 3m0.5s ago; threshold is 3m0s"
    assert state.why_not_ready() == seen
