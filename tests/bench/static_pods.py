"""Static pods: how long each step of a life takes, how many start at once, and what they weigh."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.node import Node
from tests.bench.processes import Usage, by_role, family

IMAGE, OTHER_IMAGE = "docker.io/library/busybox:1.36", "docker.io/library/busybox:1.37"
#: The kubelet gives every container at least this long to end, and these do not end by themselves.
LEAST_GRACE = 1.0
#: A list of all containers is work for the runtime: it is asked more seldom.
CROWD_POLL = 0.05


def manifest(name: str, image: str) -> str:
    """A pod that is new each time it is written."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "annotations": {"t": str(time.time_ns())}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "main",
                        "image": image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["sleep", "100000"],
                    }
                ],
            },
        }
    )


def life(node: Node, name: str) -> Iterator[tuple[str, float]]:
    """One static pod: dropped, edited, its mirror deleted, removed; (measure, seconds) of each step."""
    mirror = lambda: node.mirror(name)  # noqa: E731

    def mirrored_anew(old: str) -> bool:
        shown = mirror()
        return shown is not None and not shown.deleted and shown.uid != old

    def uid() -> str:
        shown = mirror()
        return shown.uid if shown else ""

    def is_running(old: str = "") -> bool:
        shown = mirror()
        return mirrored_anew(old) and shown is not None and shown.phase == "Running"

    start = node.put(name, manifest(name, IMAGE))
    yield "drop_to_container", node.when("container", lambda: node.running(name)) - start
    yield "drop_to_mirror_running", node.when_mirrored("Running mirror", is_running) - start
    time.sleep(1)

    before, old = node.running(name), uid()
    start = node.put(name, manifest(name, OTHER_IMAGE))
    yield (
        "edit_to_new_container",
        node.when("new container", lambda: set(node.running(name)) - set(before)) - start,
    )
    yield (
        "edit_to_new_mirror_running",
        node.when_mirrored("new Running mirror", lambda: is_running(old)) - start,
    )
    time.sleep(1)

    old = uid()
    start = node.delete_mirror(name)
    yield (
        "mirror_deleted_to_new_mirror",
        node.when_mirrored("new mirror", lambda: mirrored_anew(old)) - start,
    )
    time.sleep(1)

    start = node.remove(name)
    gone = node.when("end of the container", lambda: not node.running(name)) - start
    yield "remove_to_container_gone", gone - LEAST_GRACE
    ended = node.when_mirrored("end of the mirror", lambda: (m := mirror()) and m.deleted) - start
    yield "remove_to_mirror_gone", ended - LEAST_GRACE


@dataclass(frozen=True)
class Crowd:
    """Many pods at once: seconds until all are there and gone, what the node's programs weigh and worked."""

    all_containers: float
    all_mirrors_running: float
    all_gone: float
    usage: dict[str, Usage]
    cpu_s: float


def crowd(node: Node, count: int) -> Crowd:
    """Drop `count` manifests, wait for all, remove them all; `all_gone` is less the least grace."""
    names = [f"m{count}x{number}" for number in range(count)]
    before = sum((u.cpu_s for u in roles(node).values()), 0.0)
    start = time.time()
    for name in names:
        node.put(name, manifest(name, IMAGE))
    running = lambda: node.count_running(f"m{count}x")  # noqa: E731
    containers = node.when(f"{count} containers", lambda: running() >= count, CROWD_POLL) - start

    def shown(phase: str) -> bool:
        return all((m := node.mirror(name)) and m.phase == phase for name in names)

    mirrors = node.when_mirrored(f"{count} Running mirrors", lambda: shown("Running")) - start
    usage = roles(node)
    start = time.time()
    for name in names:
        node.remove(name)
    gone = node.when(f"end of {count} containers", lambda: not running(), CROWD_POLL) - start
    node.when_mirrored("end of all mirrors", lambda: all((m := node.mirror(n)) and m.deleted for n in names))
    worked = sum((u.cpu_s for u in usage.values()), 0.0) - before
    return Crowd(containers, mirrors, gone - LEAST_GRACE, usage, worked)


def roles(node: Node) -> dict[str, Usage]:
    """Kubelet, runtime and monitors as they are now."""
    return by_role(family(node.process_1))
