"""Units live as under systemd: states, restarts, journal lines; and pid 1 outlives what is done to them."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from tests.nodes.init.harness import Node

TITLE = "kubelet.service - kubelet: The Kubernetes Node Agent"


def said(node: Node, until: str, unit: str = "kubelet.service") -> list[str]:
    """The unit manager's journal lines about a unit up to one that contains `until`."""
    lines = []
    while not lines or until not in lines[-1]:
        event = node.wait_event(event="journal", unit=unit)
        if event["identifier"] == "systemd" or until in event["message"]:
            lines.append(event["message"])
    return lines


def drop_in(node: Node, text: str) -> None:
    node.sh("cat > /etc/systemd/system/kubelet.service.d/20-test.conf", stdin=text.encode())
    node.unit("daemon-reload")


@pytest.fixture
def kubelet(node: Node) -> dict[str, Any]:
    """A started kubelet unit."""
    unit: dict[str, Any] = node.unit("start")["unit"]
    said(node, "flags:")
    return unit


def test_a_started_unit_is_running_with_the_flags_of_its_files(node: Node) -> None:
    unit = node.unit("start")["unit"]

    assert (unit["active"], unit["sub"], unit["load"]) == ("active", "running", "loaded")
    assert said(node, "flags:") == [
        f"Started {TITLE}.",
        "I1123 17:52:14.000000 flags: --config=/var/lib/kubelet/config.yaml --node-ip=172.18.0.2 --v=2",
    ]
    pid = unit["pid"]
    assert node.sh(f"cat /proc/{pid}/comm; tr '\\0' ' ' </proc/{pid}/cmdline").split() == [
        *(
            "kubelet",
            "/usr/bin/kubelet",
            "--config=/var/lib/kubelet/config.yaml",
            "--node-ip=172.18.0.2",
            "--v=2",
        )
    ]


def test_stopping_is_told_in_three_lines(node: Node, kubelet: dict[str, Any]) -> None:
    unit = node.unit("stop")["unit"]

    assert (unit["active"], unit["sub"], unit["pid"], unit["result"]) == ("inactive", "dead", 0, "success")
    assert said(node, "Stopped") == [
        f"Stopping {TITLE}...",
        "kubelet.service: Deactivated successfully.",
        f"Stopped {TITLE}.",
    ]


def test_a_killed_unit_is_restarted_after_its_pause(node: Node, kubelet: dict[str, Any]) -> None:
    node.sh(f"kill -9 {kubelet['pid']}")

    assert said(node, "Started") == [
        "kubelet.service: Main process exited, code=killed, status=9/KILL",
        "kubelet.service: Failed with result 'signal'.",
        "kubelet.service: Scheduled restart job, restart counter is at 1.",
        f"Stopped {TITLE}.",
        f"Started {TITLE}.",
    ]
    unit = node.unit("status")["unit"]
    assert unit["pid"] not in (0, kubelet["pid"])
    assert unit["restarts"] == 1


def test_a_failing_unit_says_its_exit_code(node: Node, kubelet: dict[str, Any]) -> None:
    node.sh("echo 'sys.exit(1)' > /tmp/kubelet.py")
    node.unit("restart")

    assert "kubelet.service: Main process exited, code=exited, status=1/FAILURE" in said(
        node, "Failed with result"
    )
    assert "counter is at 2." in said(node, "restart counter is at 2.")[-1]


def test_without_restart_a_failure_stays(node: Node, kubelet: dict[str, Any]) -> None:
    drop_in(node, "[Service]\nRestart=on-failure\nRestart=no\n")
    node.sh(f"kill -SEGV {kubelet['pid']}")
    assert said(node, "Failed with result")[-2:] == [
        "kubelet.service: Main process exited, code=killed, status=11/SEGV",
        "kubelet.service: Failed with result 'signal'.",
    ]
    unit = node.unit("status")["unit"]

    assert (unit["active"], unit["result"]) == ("failed", "signal")
    assert node.unit("reset-failed")["unit"]["active"] == "inactive"


def test_starting_too_often_fails(node: Node) -> None:
    drop_in(node, "[Service]\nRestartSec=1ms\n[Unit]\nStartLimitIntervalSec=60\nStartLimitBurst=3\n")
    node.sh("echo 'sys.exit(255)' > /tmp/kubelet.py")
    node.unit("start")

    assert said(node, "Failed to start")[-3:] == [
        "kubelet.service: Start request repeated too quickly.",
        "kubelet.service: Failed with result 'exit-code'.",
        f"Failed to start {TITLE}.",
    ]
    assert "Job for kubelet.service failed." in node.unit("start")["error"]


def test_a_unit_that_ignores_term_is_killed_after_its_timeout(node: Node) -> None:
    drop_in(node, "[Service]\nTimeoutStopSec=100ms\n")
    deaf = b"signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', file=sys.stderr, flush=True)"
    node.sh("cat > /tmp/kubelet.py", stdin=deaf)
    node.unit("start")
    said(node, "deaf")
    unit = node.unit("stop")["unit"]

    assert said(node, "Stopped")[1:] == [
        "kubelet.service: State 'stop-sigterm' timed out. Killing.",
        f"kubelet.service: Killing process {unit['last_pid']} (kubelet) with signal SIGKILL.",
        "kubelet.service: Main process exited, code=killed, status=9/KILL",
        "kubelet.service: Failed with result 'timeout'.",
        f"Stopped {TITLE}.",
    ]
    assert unit["active"] == "failed"


def test_another_program_is_not_executed(node: Node) -> None:
    node.sh("printf '#!/bin/sh\\ntouch /tmp/executed\\n' > /root/kubelet; chmod +x /root/kubelet")
    drop_in(node, "[Service]\nExecStart=\nExecStart=/root/kubelet\nRestart=no\n")
    node.unit("start")
    lines = said(node, "Failed with result")

    assert "kubelet.service: Failed to locate executable /root/kubelet: No such file or directory" in lines
    assert "kubelet.service: Main process exited, code=exited, status=203/EXEC" in lines
    assert not (node.rootfs / "tmp/executed").exists()


def test_an_edit_counts_after_daemon_reload(node: Node, kubelet: dict[str, Any]) -> None:
    edit = b"[Service]\nEnvironment=KUBELET_CONFIG_ARGS=--config=/tmp/other.yaml\n"
    node.sh("cat > /etc/systemd/system/kubelet.service.d/30-x.conf", stdin=edit)
    before = node.unit("restart")["unit"]
    node.unit("daemon-reload")
    after = node.unit("restart")["unit"]

    assert (before["stale"], before["command"][1]) == (True, "--config=/var/lib/kubelet/config.yaml")
    assert (after["stale"], after["command"][1]) == (False, "--config=/tmp/other.yaml")


def test_a_double_exec_start_is_a_bad_setting(node: Node) -> None:
    drop_in(node, "[Service]\nExecStart=/usr/bin/kubelet --more\n")

    assert node.unit("start")["error"] == (
        "Failed to start kubelet.service: Unit kubelet.service has a bad unit file setting.\n"
        "See system logs and 'systemctl status kubelet.service' for details."
    )
    assert "more than one ExecStart=" in said(node, "ExecStart")[-1]


def test_a_unit_whose_files_are_gone_is_not_found(node: Node) -> None:
    node.sh("rm -r /etc/systemd/system")
    node.unit("daemon-reload")

    assert node.unit("start")["error"] == "Failed to start kubelet.service: Unit kubelet.service not found."
    assert (
        node.unit("stop", "nosuch")["error"]
        == "Failed to stop nosuch.service: Unit nosuch.service not loaded."
    )
    assert node.unit("dance")["error"] == "Unknown command verb dance."


def test_only_the_runtime_gets_the_trusted_sockets_and_no_flags_of_the_student(node: Node) -> None:
    edit = b"[Service]\nExecStart=/usr/bin/containerd --state /tmp/evil\nEnvironment=PYTHONPATH=/tmp\n"
    node.sh("cat > /etc/systemd/system/containerd.service", stdin=edit)
    node.runtime().sock.close()
    node.unit("start")
    said(node, "flags:")
    runtime, kubelet = (node.unit("status", unit)["unit"]["pid"] for unit in ("containerd", "kubelet"))

    def descriptors(pid: int) -> list[str]:
        return node.sh(f"cd /proc/{pid}/fd; for f in *; do readlink $f; done", view="trusted").split()

    assert sum("socket" in descriptor for descriptor in descriptors(runtime)) == 2
    assert sum("socket" in descriptor for descriptor in descriptors(kubelet)) == 0
    assert "evil" not in node.sh(f"tr '\\0' '\\n' </proc/{runtime}/cmdline", view="trusted")
    assert "PYTHONPATH" not in node.sh(f"tr '\\0' '\\n' </proc/{runtime}/environ", view="trusted")
    assert node.sh(
        f"ls /proc/{kubelet}/root/cks; ls -d /proc/{runtime}/root/cks", view="trusted"
    ).split() == [f"/proc/{runtime}/root/cks"]


@pytest.mark.parametrize("runtime_runs", [True, False])
def test_a_kubelet_is_told_whether_there_is_a_runtime_to_wait_for(node: Node, runtime_runs: bool) -> None:
    if runtime_runs:
        node.runtime().sock.close()

    pid = node.unit("start")["unit"]["pid"]
    said(node, "flags:")

    environment = node.sh(f"tr '\\0' '\\n' </proc/{pid}/environ", view="trusted").split()
    assert ("CKS_RUNTIME_STARTED=1" in environment) is runtime_runs


def test_sync_is_answered_after_what_was_written_before(node: Node, kubelet: dict[str, Any]) -> None:
    script = b"print('x' * 40000 + ' last', file=sys.stderr, flush=True); open('/tmp/written', 'w').close()"
    node.sh("cat > /tmp/kubelet.py", stdin=script)
    node.unit("restart")
    node.sh("until [ -e /tmp/written ]; do :; done")
    node.reply(node.request(op="sync"))

    assert node.sh("journalctl -n1 -o cat").endswith("x last\n")
    assert any(event.get("message", "").startswith("xxx") for event in node.events)


@pytest.mark.parametrize(
    "harm",
    [
        "rm -rf /var/log/journal",
        "rm -rf /var/log; ln -s /proc/self /var/log",
        "rm -rf /var/log/journal; ln -s /proc/1 /var/log/journal",
        "rm -f /var/log/journal/*; ln -s /proc/sys/kernel/hostname /var/log/journal/system.jsonl",
        "rm -f /var/log/journal/*; mkfifo /var/log/journal/system.jsonl",
        "rm -rf /var/log/journal; touch /var/log/journal",
        "rm -rf /run/systemd",
        "prlimit --pid 1 --fsize=0",
        "prlimit --pid 1 --nofile=8:8",
        "renice 19 1; kill -STOP 1; kill -CONT 1",
    ],
)
def test_the_evidence_goes_on_whatever_happens_to_the_journal(
    node: Node, kubelet: dict[str, Any], harm: str
) -> None:
    node.run("bash", "-c", harm)
    node.events.clear()
    node.send(op="unit", id=4711, verb="stop", unit="kubelet")

    assert said(node, "Stopped")[-1] == f"Stopped {TITLE}."


def test_a_journal_that_was_removed_is_begun_anew(node: Node, kubelet: dict[str, Any]) -> None:
    node.sh("rm -rf /var/log/journal")
    node.unit("stop")

    assert "Stopped kubelet.service" in node.sh("cat /var/log/journal/system.jsonl")


def test_huge_and_binary_lines_become_several_entries(node: Node) -> None:
    script = rb"sys.stderr.buffer.write(b'\xff' * 100_000 + b'\0\n\nend\n'); sys.stderr.flush()"
    node.sh("cat > /tmp/kubelet.py", stdin=script)
    node.unit("start")
    lines = said(node, "end")
    stored = [
        json.loads(line) for line in (node.rootfs / "var/log/journal/system.jsonl").read_text().splitlines()
    ]

    assert lines[-1] == "end"
    assert sum(entry["MESSAGE"].count("\ufffd") for entry in stored) == 100_000


def test_the_manager_survives_clients_that_misbehave(node: Node) -> None:
    script = r"""
import socket, json
def connect():
    s = socket.socket(socket.AF_UNIX); s.connect("/run/systemd/private"); return s
noises = [b"", b"{", b"{\n", b"[]\n", b"null\n", b'{"verb": 3}\n', b'{"verb": "start"}\n', b"\xff\n"]
for noise in [*noises, b"x" * 100000]:
    s = connect()
    try: s.sendall(noise)
    except OSError: pass
    s.close()
held = [connect() for _ in range(100)]
for s in held:
    try: s.sendall(b'{"verb": "status", "unit": "kubelet"}\n')
    except OSError: pass
for s in held: s.close()
s = connect(); s.sendall(b'{"verb": "stop", "unit": "kubelet"}\n'); s.close()
s = connect(); s.sendall(b'{"verb": "status", "unit": "kubelet"}\n')
print(json.loads(s.makefile().readline())["unit"]["name"])
"""
    assert node.run("python3", "-S", "-", stdin=script.encode()) == (0, "kubelet.service\n")


def test_pid_1_ends_when_its_supervisor_has_gone(node: Node) -> None:
    assert node.cluster is not None
    node.control.shutdown(socket.SHUT_RDWR)
    node.cluster.control.settimeout(20)
    while True:
        message = json.loads(node.cluster.control.recv(1 << 17))
        if message.get("event") == "node-exited":
            break
    assert message["name"] == node.hostname


def test_no_descriptors_are_lost_over_restarts(node: Node, kubelet: dict[str, Any]) -> None:
    def count() -> int:
        return len(node.sh("ls /proc/1/fd", view="trusted").split())

    node.unit("restart")
    before = count()
    for _ in range(10):
        node.unit("restart")

    # a pipe is closed only when the last process that writes to it has gone
    deadline = time.monotonic() + 20
    while (after := count()) > before + 1 and time.monotonic() < deadline:
        node.reply(node.request(op="sync"))
    assert after <= before + 1
