"""Calls that cannot work: one line on stderr, the right status, nothing left behind."""

from pathlib import Path

import pytest

from tests.cli.running import labs


def said(state: Path, *arguments: str) -> tuple[int, str]:
    """(status, the one line on stderr) of a call that prints nothing else and leaves nothing."""
    done = labs(*arguments, state=state)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert not list(state.rglob("*"))
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("name", ["Blue", "-x-", "a_b", "a/b", "..", "x" * 50, "a.b"])
def test_a_name_that_cannot_be_a_host_name_is_refused(tmp_path: Path, name: str) -> None:
    status, line = said(tmp_path, "up", "--", name)

    assert status == 2
    assert line.startswith(f"labs: '{name}' cannot name a cluster: use at most 49 lower-case letters")


@pytest.mark.parametrize("arguments", [["down"], ["down", "blue"]])
def test_down_of_nothing_says_so(tmp_path: Path, arguments: list[str]) -> None:
    name = arguments[1:] or ["cks"]

    assert said(tmp_path, *arguments) == (
        1,
        f"labs: there is no cluster '{name[0]}': 'labs up {name[0]}' makes it, 'labs list' shows all",
    )


def test_down_of_all_of_nothing_is_done_already(tmp_path: Path) -> None:
    assert said(tmp_path, "down", "--all") == (0, "There are no clusters.")


def test_down_wants_a_name_or_all_not_both(tmp_path: Path) -> None:
    assert said(tmp_path, "down", "blue", "--all") == (2, "labs: give a NAME or --all, not both")


def test_a_list_of_nothing_says_how_to_begin(tmp_path: Path) -> None:
    assert said(tmp_path, "list") == (0, "There are no clusters: 'labs up' makes one.")


def test_the_json_of_a_list_of_nothing_is_an_empty_list(tmp_path: Path) -> None:
    done = labs("list", "--json", state=tmp_path)

    assert (done.returncode, done.stdout) == (0, "[]\n")


@pytest.mark.parametrize("arguments", [["node", "--", "true"], ["kubectl", "get", "pods"]])
def test_a_command_that_could_not_be_run_has_status_125(tmp_path: Path, arguments: list[str]) -> None:
    status, line = said(tmp_path, *arguments)

    assert status == 125
    assert line.startswith("labs: there is no cluster 'cks'")


def test_kubeconfig_of_nothing_is_a_failure(tmp_path: Path) -> None:
    status, line = said(tmp_path, "kubeconfig", "-c", "blue")

    assert status == 1
    assert line.startswith("labs: there is no cluster 'blue'")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["up", "--backend", "vmware"], "labs: there is no backend 'vmware' here: use embedded or kind"),
        (
            ["up", "--engine", "rust"],
            "labs: there is no engine 'rust' here: use bundled or kubelet",
        ),
        (
            ["up", "--backend", "embedded", "--engine", "kubelet"],
            "labs: an embedded node has no '--engine kubelet': add --backend kind",
        ),
        (
            ["up", "--backend", "embedded", "--control-plane", "real"],
            "labs: an embedded node has no '--control-plane real': add --backend kind",
        ),
        (["bogus"], "labs: No such command 'bogus': try 'labs --help'"),
        (["up", "--bogus"], "labs: No such option: --bogus: try 'labs up --help'"),
        (
            ["node", "--bogus"],
            "labs: unknown option '--bogus': labs node [-c NAME] [-n NODE] [--] [COMMAND...]",
        ),
    ],
)
def test_a_wrong_call_has_status_2(tmp_path: Path, arguments: list[str], expected: str) -> None:
    assert said(tmp_path, *arguments) == (2, expected)


def test_what_needs_docker_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    status, line = said(tmp_path, "attach", "blue")

    assert status == 1
    assert "Docker's daemon is not running: 'sudo systemctl start docker'" in line


def test_a_kubeconfig_that_does_not_exist_yet_cannot_be_merged(tmp_path: Path) -> None:
    status, line = said(tmp_path, "kubeconfig", "-c", "blue", "--merge")

    assert status == 1
    assert "there is no cluster 'blue'" in line


def test_help_names_every_command(tmp_path: Path) -> None:
    done = labs("--help", state=tmp_path)

    assert done.returncode == 0
    for command in (
        *(
            "up",
            "down",
            "list",
            "doctor",
            "kubectl",
            "node",
            "kubeconfig",
            "attach",
            "node-image",
            "exercise",
        ),
    ):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", ["node", "kubectl", "kubeconfig"])
def test_help_of_the_quick_commands_shows_their_usage(tmp_path: Path, command: str) -> None:
    done = labs(command, "--help", state=tmp_path)

    assert done.returncode == 0
    assert f"labs {command} [-c NAME]" in done.stdout
