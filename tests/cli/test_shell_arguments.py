"""How `labs node` and `labs kubectl` read their command lines."""

import pytest

from labs.cli.shell import Call, parse
from labs.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Call([])),
        (["--", "ls", "-l"], Call(["ls", "-l"])),
        (["ls", "-l"], Call(["ls", "-l"])),
        (["-c", "blue", "--", "true"], Call(["true"], cluster="blue")),
        (["--cluster=blue", "-n", "blue-worker", "true"], Call(["true"], "blue", "blue-worker")),
        (["--node", "w", "--", "--", "x"], Call(["--", "x"], node="w")),
        (["sh", "-c", "exit 3"], Call(["sh", "-c", "exit 3"])),
    ],
)
def test_options_of_node_end_where_the_command_begins(arguments: list[str], expected: Call) -> None:
    assert parse("node", arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["get", "pods", "-A"], Call(["get", "pods", "-A"])),
        (["-c", "blue", "logs", "web", "-c", "main"], Call(["logs", "web", "-c", "main"], "blue")),
        (["-n", "kube-system", "get", "pods"], Call(["-n", "kube-system", "get", "pods"])),
        (["--", "version"], Call(["version"])),
    ],
)
def test_all_but_a_leading_cluster_is_kubectls_own(arguments: list[str], expected: Call) -> None:
    assert parse("kubectl", arguments) == expected


@pytest.mark.parametrize("arguments", [["-c"], ["--bogus", "true"], ["-x"]])
def test_a_call_that_cannot_be_meant_is_refused_with_the_usage(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=r"labs node \[-c NAME\]"):
        parse("node", arguments)
