"""What of the runtime's events is a reason to look at a pod again."""

from pathlib import Path

import pytest

from tests.kubelet.node import manifest, node
from tests.kubelet.virtual_time import virtual


@virtual
async def test_what_a_sync_has_done_itself_is_no_reason_for_another(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.put("web.yaml", manifest())
        await n.runs()
        await n.until(lambda: n.status().get("ready"))

        looks = [call for call, _ in n.runtime.calls if call == "ContainerStatus"]

        assert len(looks) == 1


@pytest.mark.parametrize("lifetime", [0.0, 0.001])
@virtual
async def test_a_container_that_ends_at_once_is_started_again_at_once(
    tmp_path: Path, lifetime: float
) -> None:
    async with node(tmp_path) as n:
        n.runtime.behave("main", lives=[(lifetime, 1), (None, 0)])
        n.put("web.yaml", manifest())

        took = await n.until(lambda: n.runtime.of_pod(f"web-{n.name}", running=True))

        assert took < 1
        assert len(n.runtime.of_pod(f"web-{n.name}")) == 2
