"""The runtime is killed, the node is rebooted: no container, exit code or log line is lost."""

from __future__ import annotations

import json
from contextlib import suppress

import grpc
import pytest
from cri_api.v1 import api_pb2 as cri

from tests.runtime.harness import RuntimeNode

COUNT = "i=0; while :; do i=$((i+1)); echo $i; test -e /stop && exit 7; sleep 0.01; done"


def test_containers_outlive_the_runtime_and_what_happened_meanwhile_is_known(fresh_node: RuntimeNode) -> None:
    node = fresh_node
    sandbox = node.sandbox()
    counting = node.run_container(sandbox, "sh", "-c", COUNT, name="counting")
    sleeping = node.run_container(sandbox, "sleep", "4715", name="sleeping")
    created = node.create(sandbox, "sh", "-c", "echo up; sleep 4716; :", name="created")
    before = node.status(counting)

    info = node.cri.ContainerStatus(cri.ContainerStatusRequest(container_id=counting, verbose=True)).info[
        "info"
    ]

    node.kill_runtime(
        meanwhile=f"touch /proc/{json.loads(info)['pid']}/root/stop; pkill -9 -x -f 'sleep 4715'"
    )

    assert node.wait_exit(counting).exit_code == 7
    assert node.wait_exit(sleeping).exit_code == 137
    after = node.status(counting)
    assert (after.created_at, after.started_at) == (before.created_at, before.started_at)
    numbers = [int(line.split()[-1]) for line in node.log_of(counting).splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert node.status(created).state == cri.CONTAINER_CREATED
    node.cri.StartContainer(cri.StartContainerRequest(container_id=created))
    node.wait_log(created, "up")
    assert node.exec_sync(created, "cat", "/proc/1/cmdline")[1] == "sh\x00-c\x00echo up; sleep 4716; :\x00"


def test_a_new_runtime_commands_the_old_containers(fresh_node: RuntimeNode) -> None:
    node = fresh_node
    sandbox = node.sandbox()
    container = node.run_container(sandbox, "sleep", "4717")
    address = node.cri.PodSandboxStatus(cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox)).status.network.ip

    node.kill_runtime()
    second = node.run_container(sandbox, "sleep", "4718", name="second")
    link = ("readlink", "/proc/self/ns/net")
    same_network = node.exec_sync(container, *link) == node.exec_sync(second, *link)
    node.cri.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox))

    assert same_network
    assert node.status(container).exit_code == 137
    other = node.sandbox("other")
    new = node.cri.PodSandboxStatus(cri.PodSandboxStatusRequest(pod_sandbox_id=other)).status.network.ip
    assert new != address


def test_a_sandbox_whose_start_the_runtime_did_not_live_to_note_is_ended(fresh_node: RuntimeNode) -> None:
    node = fresh_node
    sandbox = node.sandbox()

    node.kill_runtime(meanwhile=f'sed -i \'s/"pid": [0-9]*/"pid": 0/\' /cks/sandboxes/{sandbox}/state.json')

    state = node.cri.PodSandboxStatus(cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox)).status.state
    assert state == cri.SANDBOX_NOTREADY
    assert node.sh("pgrep -f '^sleep infinity' || true") == ""


def test_after_a_reboot_containers_have_exited_for_unknown_reason(fresh_node: RuntimeNode) -> None:
    node = fresh_node
    sandbox = node.sandbox()
    running = node.run_container(sandbox, "sleep", "100000")
    done = node.run_container(sandbox, "sh", "-c", "exit 4", name="done")
    node.wait_exit(done)

    node.reboot()

    lost, ended = node.status(running), node.status(done)
    assert (lost.state, lost.exit_code, lost.reason) == (cri.CONTAINER_EXITED, 255, "Unknown")
    assert (ended.exit_code, ended.reason) == (4, "Error")
    state = node.cri.PodSandboxStatus(cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox)).status.state
    assert state == cri.SANDBOX_NOTREADY
    node.cri.RemovePodSandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox))
    assert not list((node.trusted / "containers").iterdir())
    assert node.run_container(node.sandbox(), "true")


@pytest.mark.parametrize("patience", [0.0, 0.005, 0.01, 0.02, 0.04, 0.08])
def test_a_start_that_nobody_waits_for_any_more_leaves_nothing_when_the_pod_is_stopped(
    node: RuntimeNode, patience: float
) -> None:
    sandbox = node.sandbox("hasty", uid=f"hasty-{patience}")
    container = node.create(sandbox, "sleep", "4717")

    start = node.cri.StartContainer.future(cri.StartContainerRequest(container_id=container))
    with suppress(grpc.FutureTimeoutError):
        start.result(patience)
    start.cancel()
    node.cri.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox))

    status = node.cri.ContainerStatus(cri.ContainerStatusRequest(container_id=container)).status
    assert status.state in (cri.CONTAINER_EXITED, cri.CONTAINER_CREATED)
    assert "4717" not in node.sh("cat /proc/[0-9]*/cmdline 2>/dev/null || true")
