"""Whatever is done to the manifests directory, the pods in the end are those of the files in it."""

import asyncio
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from cri_api.v1 import api_pb2 as api

from tests.kubelet.node import MANIFESTS, Node, node
from tests.kubelet.virtual_time import virtual
from tests.long.disorder import LABEL, Disorder

OPERATIONS = 200


def shell(n: Node, line: str) -> None:
    directory = n.root / MANIFESTS[1:]
    subprocess.run(["/bin/sh", "-e"], input=line, text=True, cwd=directory, check=True)


def running(n: Node) -> dict[str, str]:
    """Pod to version, of the running containers."""
    sandboxes = [
        n.runtime.sandboxes[each.sandbox]
        for each in n.runtime.containers.values()
        if each.status.state == api.CONTAINER_RUNNING
    ]
    return {each.metadata.name.removesuffix(f"-{n.name}"): each.labels[LABEL] for each in sandboxes}


def mirrored(n: Node) -> dict[str, str]:
    """Pod to version, of the mirrors in the API."""
    pods = [n.mirror(f"soak{number}") for number in range(8)]
    labels = [pod["metadata"] for pod in pods if pod is not None]
    return {each["name"].removesuffix(f"-{n.name}"): each["labels"][LABEL] for each in labels}


def tasks() -> Counter[str]:
    """What the loop has to do, by what it is for."""
    return Counter(coroutine.__qualname__ for task in asyncio.all_tasks() if (coroutine := task.get_coro()))


@pytest.mark.parametrize("seed", [1, 2, 3])
@virtual
async def test_a_directory_in_disorder_converges_and_no_task_is_left(tmp_path: Path, seed: int) -> None:
    disorder, pauses = Disorder(seed), random.Random(seed)
    async with node(tmp_path) as n:
        shell(n, disorder.prepare())
        await asyncio.sleep(30)
        before = tasks()

        for _ in range(OPERATIONS):
            shell(n, disorder.step())
            await asyncio.sleep(pauses.choice([0, 0, 0.05, 0.5, 3]))
        wanted = disorder.expected()
        await n.until(lambda: running(n) == wanted, limit=60)
        await n.until(lambda: mirrored(n) == wanted, limit=120)
        shell(n, disorder.clear())
        await n.until(lambda: not n.runtime.sandboxes, limit=180)
        await n.until(lambda: not mirrored(n), limit=120)

        await n.until(lambda: tasks() == before)
