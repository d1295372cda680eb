"""systemctl on a node answers as on a real one: words, layout and exit statuses."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import labs.tools
from tests.nodes.init.harness import Node


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with both units running, for tests that leave it so."""
    node = Node(tmp_path_factory.mktemp("node"))
    try:
        node.boot()
        node.unit("start", "containerd")
        node.unit("start", "kubelet")
        node.wait_event(event="journal", identifier="kubelet")
        yield node
    finally:
        node.down()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A booted node for one test alone."""
    node = Node(tmp_path)
    try:
        yield node.boot()
    finally:
        node.down()


def systemctl(node: Node, *arguments: str) -> tuple[int, str]:
    return node.run("systemctl", *arguments)


def test_status_reads_as_the_real_one(running: Node) -> None:
    code, text = systemctl(running, "status", "kubelet")
    text = re.sub(
        r"\d+(ms|s) ago", "N ago", re.sub(r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "WHEN", text)
    )
    text = re.sub(r"^\w{3} \d\d \d\d:\d\d:\d\d ", "", text, flags=re.M)
    pid = re.search(r"Main PID: (\d+)", text)
    assert pid is not None
    text = re.sub(r"limit: \d+", "limit: N", re.sub(rf"\b{pid[1]}\b", "PID", text))
    text = re.sub(r"Memory: [\d.]+M", "Memory: N", re.sub(r"CPU: \d+ms", "CPU: N", text))

    assert code == 0
    assert text == (
        "● kubelet.service - kubelet: The Kubernetes Node Agent\n"
        "     Loaded: loaded (/etc/systemd/system/kubelet.service; enabled; preset: enabled)\n"
        "    Drop-In: /etc/systemd/system/kubelet.service.d\n"
        "             └─10-kubeadm.conf\n"
        "     Active: active (running) since WHEN; N ago\n"
        "       Docs: https://kubernetes.io/docs/\n"
        "   Main PID: PID (kubelet)\n"
        "      Tasks: 1 (limit: N)\n"
        "     Memory: N\n"
        "        CPU: N\n"
        "     CGroup: /system.slice/kubelet.service\n"
        "             └─PID /usr/bin/kubelet "
        "--config=/var/lib/kubelet/config.yaml --node-ip=172.18.0.2 --v=2\n"
        "\n"
        "cks-control-plane systemd[1]: Started kubelet.service - kubelet: The Kubernetes Node Agent.\n"
        "cks-control-plane kubelet[PID]: I1123 17:52:14.000000 flags: --config=/var/lib/kubelet/config.yaml "
        "--node-ip=172.18.0.2 --v=2\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "output"),
    [
        ("is-active kubelet", 0, "active\n"),
        ("is-active kubelet containerd", 0, "active\nactive\n"),
        ("is-active -q kubelet", 0, ""),
        ("is-active nosuch", 3, "inactive\n"),
        ("is-failed kubelet", 1, "active\n"),
        ("is-enabled kubelet", 0, "enabled\n"),
        (
            "is-enabled nosuch",
            1,
            "Failed to get unit file state for nosuch.service: No such file or directory\n",
        ),
        ("status nosuch", 4, "Unit nosuch.service could not be found.\n"),
        ("start nosuch", 5, "Failed to start nosuch.service: Unit nosuch.service not found.\n"),
        ("stop nosuch", 5, "Failed to stop nosuch.service: Unit nosuch.service not loaded.\n"),
        ("restart nosuch", 5, "Failed to restart nosuch.service: Unit nosuch.service not found.\n"),
        ("enable nosuch", 1, "Failed to enable unit: Unit file nosuch.service does not exist.\n"),
        ("cat nosuch", 1, "No files found for nosuch.service.\n"),
        ("dance kubelet", 1, "Unknown command verb dance.\n"),
        ("start", 1, "Too few arguments.\n"),
        ("--nosuch", 1, "systemctl: unrecognized option '--nosuch'\n"),
        ("daemon-reload", 0, ""),
        ("start kubelet.service", 0, ""),
        (
            "show kubelet -p ActiveState,SubState,Restart",
            0,
            "ActiveState=active\nSubState=running\nRestart=always\n",
        ),
        ("show -p LoadState --value nosuch", 0, "not-found\n"),
        (
            "reload kubelet",
            1,
            "Failed to reload kubelet.service: Job type reload is not applicable for unit kubelet.service.\n",
        ),
        (
            "list-units --no-legend",
            0,
            "  containerd.service  loaded  active  running  containerd container runtime\n"
            "  kubelet.service     loaded  active  running  kubelet: The Kubernetes Node Agent\n",
        ),
    ],
)
def test_answers_and_statuses(running: Node, arguments: str, code: int, output: str) -> None:
    assert systemctl(running, *arguments.split()) == (code, output)


def test_cat_shows_the_file_and_its_drop_ins(running: Node) -> None:
    code, text = systemctl(running, "cat", "kubelet")

    assert code == 0
    assert text.startswith(
        "# /etc/systemd/system/kubelet.service\n[Unit]\nDescription=kubelet: The Kubernetes Node Agent\n"
    )
    assert "\n\n# /etc/systemd/system/kubelet.service.d/10-kubeadm.conf\n[Service]\n" in text


def test_a_stopped_unit_is_inactive_with_status_3(node: Node) -> None:
    systemctl(node, "start", "kubelet")
    assert systemctl(node, "stop", "kubelet") == (0, "")
    code, text = systemctl(node, "status", "kubelet")

    assert code == 3
    assert text.startswith("○ kubelet.service - ")
    assert "     Active: inactive (dead) since " in text
    assert "   Main PID: " in text
    assert systemctl(node, "is-active", "kubelet") == (3, "inactive\n")


def test_restart_gives_a_new_process(node: Node) -> None:
    show = ("show", "-p", "MainPID", "--value", "kubelet")
    systemctl(node, "start", "kubelet")
    before = systemctl(node, *show)
    assert systemctl(node, "restart", "kubelet") == (0, "")

    assert systemctl(node, *show) != before


def test_a_crashed_unit_shows_how_it_ended(node: Node) -> None:
    node.sh("printf '[Service]\\nRestartSec=1h\\n' > /etc/systemd/system/kubelet.service.d/20-slow.conf")
    systemctl(node, "start", "kubelet")
    systemctl(node, "kill", "-s", "KILL", "kubelet")
    node.wait_event(event="unit", state="activating")
    code, text = systemctl(node, "status", "kubelet")

    assert code == 3
    assert "     Active: activating (auto-restart) (Result: signal) since " in text
    assert re.search(r"   Main PID: \d+ \(code=killed, status=9/KILL\)\n", text)
    assert systemctl(node, "is-active", "kubelet") == (3, "activating\n")


def test_an_edit_is_warned_about_until_daemon_reload(node: Node) -> None:
    systemctl(node, "start", "kubelet")
    node.sh("printf '[Service]\\n' > /etc/systemd/system/kubelet.service.d/20-new.conf")
    warning = (
        "Warning: The unit file, source configuration file or drop-ins of kubelet.service changed on disk. "
        "Run 'systemctl daemon-reload' to reload units.\n"
    )

    assert systemctl(node, "restart", "kubelet") == (0, warning)
    assert systemctl(node, "status", "kubelet")[1].startswith(warning)
    assert systemctl(node, "daemon-reload") == (0, "")
    assert systemctl(node, "restart", "kubelet") == (0, "")


def test_enable_and_disable_change_the_link(node: Node) -> None:
    link = "/etc/systemd/system/multi-user.target.wants/kubelet.service"

    assert systemctl(node, "disable", "kubelet") == (0, f'Removed "{link}".\n')
    assert systemctl(node, "is-enabled", "kubelet") == (1, "disabled\n")
    assert systemctl(node, "enable", "--now", "kubelet") == (
        0,
        f"Created symlink {link} → /etc/systemd/system/kubelet.service.\n",
    )
    assert systemctl(node, "is-enabled", "kubelet") == (0, "enabled\n")
    assert systemctl(node, "is-active", "kubelet") == (0, "active\n")


def test_without_its_socket_it_says_so(node: Node) -> None:
    node.sh("rm -r /run/systemd")

    assert systemctl(node, "status", "kubelet") == (
        1,
        "Failed to connect to bus: No such file or directory\n",
    )


@pytest.mark.parametrize(
    ("command", "code", "output"),
    [
        ("sudo id -u", 0, "0\n"),
        ("sudo -E -u root A=b sh -c 'echo $A; exit 4'", 4, "b\n"),
        ("sudo -i pwd", 0, "/root\n"),
        ("sudo nosuch", 1, "sudo: nosuch: command not found\n"),
        (
            "sudo -u nobody id",
            1,
            "sudo: this node's shells are root's only; use `su` or `runuser` to become nobody\n",
        ),
        ("sudo -- true", 0, ""),
        ("sudo", 1, "usage: sudo [-EHins] [-u root] [VAR=value] [command [arg ...]]\n"),
    ],
)
def test_sudo_passes_through(running: Node, command: str, code: int, output: str) -> None:
    assert running.run("bash", "-c", command) == (code, output)


@pytest.mark.parametrize(
    "name", ["systemctl", "journalctl", "sudo", "journal", "options", "timestamps", "unit"]
)
def test_the_tools_need_no_more_than_the_standard_library(name: str) -> None:
    source = Path(labs.tools.__path__[0]) / f"{name}.py"
    for part in ast.walk(ast.parse(source.read_text())):
        modules = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
        modules += [part.module or ""] if isinstance(part, ast.ImportFrom) else []
        for module in modules:
            assert module.startswith("labs.tools") or module.partition(".")[0] in sys.stdlib_module_names
