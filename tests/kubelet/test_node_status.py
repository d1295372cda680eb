"""The node's status, when the node is gone or an update fails; lines of a real kubelet 1.36.2."""

import asyncio
from pathlib import Path

import pytest

from labs.kubelet.api_client import ApiError
from tests.kubelet.node import Node, node
from tests.kubelet.virtual_time import virtual

RETRY = 'kubelet_node_status.go:529] "Error updating node status, will retry" err='
GIVEN_UP = (
    'kubelet_node_status.go:515] "Unable to update node status" err="update node status exceeds retry count"'
)


async def registered(n: Node) -> None:
    await n.until(lambda: ("nodes", "", n.name) in n.api.objects)
    await asyncio.sleep(1)


@virtual
async def test_a_node_that_was_deleted_is_missed_five_times_at_each_update(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with node(tmp_path) as n:
        await registered(n)

        await n.api.request("DELETE", "/api/v1/nodes/node-1")
        await asyncio.sleep(20)

        assert ("nodes", "", n.name) not in n.api.objects
    said = capsys.readouterr().err
    assert said.count(f'{RETRY}"error getting node \\"node-1\\": node \\"node-1\\" not found"') == 2
    assert said.count(f'{RETRY}"error getting node \\"node-1\\": nodes \\"node-1\\" not found"') == 8
    assert said.count(GIVEN_UP) == 2


@virtual
async def test_an_update_that_fails_is_tried_again_with_what_the_server_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(tmp_path) as n:
        await registered(n)
        ask, refusals = n.api.request, 2

        async def refusing(method: str, path: str, *rest: object, **named: object) -> object:
            nonlocal refusals
            if (method, path.partition("?")[0]) == ("PATCH", "/api/v1/nodes/node-1/status") and refusals:
                refusals -= 1
                raise ApiError(500, "busy")
            return await ask(method, path, *rest, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(n.api, "request", refusing)
        n.runtime.network_ready = False
        await asyncio.sleep(20)

        conditions = n.api.objects["nodes", "", n.name]["status"]["conditions"]
        assert conditions[-1]["status"] == "False"
    said = capsys.readouterr().err
    assert said.count(f'{RETRY}"busy"') == 2
    assert GIVEN_UP not in said
