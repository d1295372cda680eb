"""ExecSync: a command in a running container, as probes and `crictl exec -s` ask for it."""

from __future__ import annotations

import grpc
import pytest

from tests.runtime.harness import RuntimeNode


@pytest.fixture(scope="module")
def container(node: RuntimeNode) -> str:
    return node.run_container(
        node.sandbox("exec"), "sleep", "100000", env={"COLOUR": "blue"}, working_dir="/var"
    )


def test_output_and_exit_code_are_the_commands(node: RuntimeNode, container: str) -> None:
    assert node.exec_sync(container, "sh", "-c", "echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")


def test_it_runs_with_the_containers_environment_and_directory(node: RuntimeNode, container: str) -> None:
    assert node.exec_sync(container, "sh", "-c", "echo $COLOUR; pwd")[1] == "blue\n/var\n"


def test_a_command_that_takes_too_long_is_killed(node: RuntimeNode, container: str) -> None:
    with pytest.raises(grpc.RpcError) as call:
        node.exec_sync(container, "sh", "-c", "sleep 4720; true", timeout=1)

    assert call.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert (
        call.value.details() == "failed to exec in container: timeout 1s exceeded: context deadline exceeded"
    )
    assert node.run("pgrep", "-x", "-f", "sleep 4720")[0] == 1


def test_a_missing_command_is_told_in_runcs_words(node: RuntimeNode, container: str) -> None:
    with pytest.raises(grpc.RpcError) as call:
        node.exec_sync(container, "nothing")

    assert call.value.details().startswith("failed to exec in container: failed to start exec")
    assert call.value.details().endswith('exec: "nothing": executable file not found in $PATH: unknown')


def test_a_child_that_keeps_the_output_open_does_not_hold_the_answer(
    node: RuntimeNode, container: str
) -> None:
    assert node.exec_sync(container, "sh", "-c", "sleep 4721 & echo done") == (0, "done\n", "")


def test_much_output_is_taken_in_full(node: RuntimeNode, container: str) -> None:
    _, output, _ = node.exec_sync(container, "sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x")

    assert len(output) == 1_000_000


def test_a_container_that_does_not_run_refuses(node: RuntimeNode) -> None:
    created = node.create(node.sandbox("idle"), "sleep", "1")

    with pytest.raises(grpc.RpcError) as call:
        node.exec_sync(created, "true")

    assert "not found" in call.value.details()
