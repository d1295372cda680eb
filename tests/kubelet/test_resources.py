"""Requests and limits: the pod's class, its sums, and what the runtime is told of them."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from labs.kubelet.hostfs import HostFs
from labs.kubelet.pod.manifest import pod_from_file
from labs.kubelet.pod.model import Pod
from labs.kubelet.pod.oom_score import oom_score_adjust
from labs.kubelet.resources import (
    Machine,
    container_resources,
    cpu_shares,
    pod_total,
    sandbox_resources,
)
from tests.kubelet.node import manifest

Resources = dict[str, dict[str, str]]
MI = 1 << 20


def pod_of(*containers: Resources, init: list[Resources] | None = None, **spec: Any) -> Pod:
    def listed(letter: str, many: Any) -> list[dict[str, Any]]:
        return [{"name": f"{letter}{i}", "image": "b:1", "resources": r} for i, r in enumerate(many)]

    obj = manifest(initContainers=listed("i", init or []), **spec)
    obj["spec"]["containers"] = listed("c", containers)
    return pod_from_file(json.dumps(obj).encode(), "/m/web.yaml", "n")


def both(cpu: str, memory: str) -> Resources:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


FULL = both("1", "1Gi")


@pytest.mark.parametrize(
    ("containers", "init", "qos"),
    [
        ([{}], [], "BestEffort"),
        ([{"requests": {"ephemeral-storage": "1Gi"}}], [], "BestEffort"),
        ([FULL], [], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], [], "Guaranteed"),
        ([FULL, both("2", "2Gi")], [FULL], "Guaranteed"),
        ([FULL, {}], [], "Burstable"),
        ([FULL], [{}], "Burstable"),
        ([{}], [{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1"}}], [], "Burstable"),
        ([{"requests": {"memory": "1Gi"}}], [], "Burstable"),
        ([{**FULL, "requests": {"cpu": "500m", "memory": "1Gi"}}], [], "Burstable"),
        ([{**FULL, "requests": {"cpu": "1", "memory": "1Mi"}}], [], "Burstable"),
    ],
)
def test_a_pods_class_is_of_all_its_containers(
    containers: list[Resources], init: list[Resources], qos: str
) -> None:
    assert pod_of(*containers, init=init).qos_class == qos


@pytest.mark.parametrize(
    ("own", "qos"),
    [
        ({"limits": {"cpu": "200m"}}, "Burstable"),
        ({"requests": {"cpu": "200m"}}, "Burstable"),
        (FULL, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
    ],
)
def test_a_pod_that_has_resources_as_a_whole_is_of_their_class(own: Resources, qos: str) -> None:
    assert pod_of({}, resources=own).qos_class == qos


@pytest.mark.parametrize(
    ("resources", "score"),
    [
        ({}, 1000),
        (FULL, -997),
        ({"requests": {"memory": "250Mi"}}, 750),
        ({"requests": {"memory": "999Mi"}}, 3),
        ({"requests": {"memory": "4Gi"}}, 3),
        ({"requests": {"memory": "1Ki"}}, 999),
        ({"requests": {"cpu": "1"}}, 999),
    ],
)
def test_the_kernel_kills_first_who_asked_for_least(resources: Resources, score: int) -> None:
    pod = pod_of(resources)

    assert oom_score_adjust(pod, pod.containers[0], 1000 * MI) == score


@pytest.mark.parametrize(("priority", "score"), [(2_000_000_000, -997), (1_999_999_999, 1000)])
def test_critical_pods_are_killed_last(priority: int, score: int) -> None:
    pod = pod_of({}, priority=priority)

    assert oom_score_adjust(pod, pod.containers[0], 1000 * MI) == score


@pytest.mark.parametrize(
    ("milli", "shares"),
    [(0, 2), (1, 2), (2, 2), (3, 3), (100, 102), (1000, 1024), (256_000, 262_144), (10**9, 262_144)],
)
def test_cpu_is_told_in_shares_within_the_kernels_bounds(milli: int, shares: int) -> None:
    assert cpu_shares(milli) == shares


@pytest.mark.parametrize(
    ("resources", "shares", "quota", "memory"),
    [
        ({}, 2, 0, 0),
        ({"requests": {"cpu": "500m", "memory": "64Mi"}}, 512, 0, 0),
        ({"limits": {"cpu": "2", "memory": "64Mi"}}, 2048, 200_000, 64 * MI),
        ({"limits": {"cpu": "1m"}}, 2, 1000, 0),
        ({"limits": {"cpu": "10m"}}, 10, 1000, 0),
        ({"limits": {"cpu": "11m"}}, 11, 1100, 0),
        ({"limits": {"cpu": "500m"}, "requests": {"cpu": "250m"}}, 256, 50_000, 0),
    ],
)
def test_a_container_is_held_to_its_limits_and_weighs_its_request(
    resources: Resources, shares: int, quota: int, memory: int
) -> None:
    found = container_resources(pod_of(resources).containers[0], 5, Machine(MI))

    assert (found.cpu_shares, found.cpu_quota, found.memory_limit_in_bytes) == (shares, quota, memory)
    assert (found.cpu_period, found.oom_score_adj) == (100_000, 5)
    assert not found.unified
    assert found.memory_swap_limit_in_bytes == 0


@pytest.mark.parametrize(
    ("machine", "unified", "swap"),
    [
        (Machine(MI), {}, 0),
        (Machine(MI, counts_swap=True), {}, 32 * MI),
        (Machine(MI, cgroup2=True), {"memory.oom.group": "1"}, 0),
        (
            Machine(MI, cgroup2=True, counts_swap=True),
            {"memory.oom.group": "1", "memory.swap.max": "0"},
            0,
        ),
    ],
)
def test_swap_is_denied_as_the_machines_cgroups_can_say_it(
    machine: Machine, unified: dict[str, str], swap: int
) -> None:
    pod = pod_of({"limits": {"memory": "32Mi"}})

    found = container_resources(pod.containers[0], 0, machine)

    assert (dict(found.unified), found.memory_swap_limit_in_bytes) == (unified, swap)


def test_a_sandbox_is_told_the_sum_of_its_pod() -> None:
    pod = pod_of(both("250m", "1Gi"), {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}})

    found = sandbox_resources(pod, Machine(MI))

    assert (found.cpu_shares, found.cpu_quota) == (768, 125_000)
    assert found.memory_limit_in_bytes == 2048 * MI


def test_a_sandbox_without_limits_has_none() -> None:
    found = sandbox_resources(pod_of({}), Machine(MI))

    assert (found.cpu_shares, found.cpu_quota, found.memory_limit_in_bytes) == (2, 0, 0)


def test_a_pod_needs_the_most_of_its_start_or_all_that_run_together() -> None:
    def cpu(*amounts: str) -> list[Resources]:
        return [{"requests": {"cpu": amount}} for amount in amounts]

    def total(pod: Pod) -> Decimal:
        return pod_total(pod, "requests")["cpu"]

    assert total(pod_of(*cpu("1", "2"))) == 3
    assert total(pod_of(*cpu("1", "2"), init=cpu("2"))) == 3
    assert total(pod_of(*cpu("1", "2"), init=cpu("4", "5", "1"))) == 5
    assert "memory" not in pod_total(pod_of(*cpu("1")), "requests")
    assert pod_total(pod_of(*cpu("1")), "limits") == {}


@pytest.mark.parametrize(
    ("sidecar_first", "needed"),
    [(True, 8), (False, 7)],
)
def test_a_sidecar_counts_from_its_start_on(sidecar_first: bool, needed: int) -> None:
    side = {
        "name": "side", "image": "b:1", "restartPolicy": "Always", "resources": {"requests": {"cpu": "3"}},
    }  # fmt: skip
    large = {"name": "large", "image": "b:1", "resources": {"requests": {"cpu": "5"}}}
    it = manifest(initContainers=[side, large] if sidecar_first else [large, side])
    it["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "4"}}

    pod = pod_from_file(json.dumps(it).encode(), "/m/web.yaml", "n")

    assert pod_total(pod, "requests")["cpu"] == needed


@pytest.mark.parametrize(
    ("files", "machine"),
    [
        ([], Machine(7)),
        (["cgroup/cgroup.controllers"], Machine(7, cgroup2=True)),
        (["cgroup/memory/memory.memsw.limit_in_bytes"], Machine(7, counts_swap=True)),
    ],
)
def test_the_machine_is_asked_what_its_cgroups_can_do(
    tmp_path: Path, files: list[str], machine: Machine
) -> None:
    for file in files:
        (tmp_path / "sys/fs" / file).parent.mkdir(parents=True)
        (tmp_path / "sys/fs" / file).touch()

    assert Machine.read(HostFs(str(tmp_path)), 7) == machine


def test_huge_pages_are_named_as_cgroups_do_smallest_first(tmp_path: Path) -> None:
    for size in (1048576, 2048, 64):
        (tmp_path / f"sys/kernel/mm/hugepages/hugepages-{size}kB").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").touch()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/swaps").touch()

    found = Machine.read(HostFs(str(tmp_path)), 7)

    assert found == Machine(7, True, True, ("64KB", "2MB", "1GB"))
