"""The client of a supervisor's sockets: commands on a node as if they ran here."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from labs.errors import LabsError
from labs.nodes.client import Client

from .conftest import Supervised

RUN = "import sys; from labs.nodes.client import Client; sys.exit(Client(sys.argv[1]).{}(sys.argv[2:]{}))"


def spawn(cluster: Supervised, method: str, *argv: str, **options: object) -> subprocess.Popen[bytes]:
    """A process of its own that runs a command on the node by one of the client's methods."""
    command = [
        sys.executable,
        "-c",
        RUN.format(method, ", signals=(2,)" if method == "exec" else ""),
        str(cluster.directory / "student.sock"),
        *argv,
    ]
    repository = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=repository, **options)  # type: ignore[call-overload, no-any-return]


def test_output_errors_and_status_come_back(standing: Supervised) -> None:
    done = standing.student.run(["sh", "-c", "echo out; echo err >&2; exit 7"])

    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_input_environment_and_directory_go_there(standing: Supervised) -> None:
    done = standing.student.run(
        ["sh", "-c", "cat; echo $A; pwd"], input="in\n", env={"A": "b"}, cwd="/var/log"
    )

    assert done.stdout == "in\nb\n/var/log\n"


def test_a_shell_starts_in_roots_home_with_roots_environment(standing: Supervised) -> None:
    seen = standing.sh("pwd; echo $HOME $USER $KUBECONFIG; echo $PATH").stdout.splitlines()

    assert seen[:2] == ["/root", "/root root /etc/kubernetes/admin.conf"]
    assert seen[2].startswith("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")


@pytest.mark.parametrize(
    ("argv", "status"),
    [(["no-such-command"], 127), (["/etc/passwd"], 126), (["sh", "-c", "kill -9 $$"], 137), (["true"], 0)],
)
def test_the_status_is_what_a_shell_says(standing: Supervised, argv: list[str], status: int) -> None:
    assert standing.student.run(argv).returncode == status


def test_a_command_that_takes_too_long_is_hung_up_on(standing: Supervised) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        standing.student.run(["sh", "-c", "sleep 1001 & wait"], timeout=0.2)

    assert standing.sh("until ! pgrep -fx 'sleep 1001'; do :; done").returncode == 0


def test_a_child_that_keeps_the_output_open_does_not_keep_the_caller(standing: Supervised) -> None:
    assert standing.student.run(["sh", "-c", "sleep 1000 & echo done"], timeout=10).stdout == "done\n"


def test_large_output_is_whole(standing: Supervised) -> None:
    assert len(standing.student.run(["head", "-c", "3000000", "/dev/zero"]).stdout) == 3_000_000


def test_a_killed_client_takes_its_command_along(standing: Supervised) -> None:
    client = spawn(standing, "exec", "sh", "-c", "echo started; sleep 1002", stdout=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdout.readline() == b"started\n"
    client.kill()
    client.wait()

    assert standing.sh("until ! pgrep -fx 'sleep 1002'; do :; done").returncode == 0


def test_ctrl_c_reaches_the_command_and_its_status_comes_back(standing: Supervised) -> None:
    script = "trap 'echo caught; exit 5' INT; echo started; while :; do sleep 0.1; done"
    client = spawn(standing, "exec", "sh", "-c", script, stdout=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdout.readline() == b"started\n"
    client.send_signal(signal.SIGINT)

    assert client.stdout.read() == b"caught\n"
    assert client.wait() == 5


def test_a_terminal_is_a_terminal_there(standing: Supervised) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    before = termios.tcgetattr(slave)
    client = spawn(
        standing,
        "terminal",
        "sh",
        "-c",
        "tty; stty size; read a; echo got $a; exit 3",
        stdin=slave,
        stdout=slave,
    )
    seen = read_until(master, b"40 100\r\n")
    os.write(master, b"word\r")

    assert b"/dev/pts/" in seen
    assert b"got word\r\n" in read_until(master, b"got word\r\n")
    assert client.wait() == 3
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_a_terminal_follows_its_window(standing: Supervised) -> None:
    master, slave = pty.openpty()
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"
    client = spawn(standing, "terminal", "sh", "-c", script, stdin=slave, stdout=slave)
    read_until(master, b"ready\r\n")
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 81, 0, 0))
    client.send_signal(signal.SIGWINCH)

    assert b"25 81" in read_until(master, b"25 81\r\n")
    assert client.wait() == 0
    os.close(master)
    os.close(slave)


def test_ctrl_c_in_a_terminal_is_the_nodes(standing: Supervised) -> None:
    master, slave = pty.openpty()
    client = spawn(
        standing,
        "terminal",
        "sh",
        "-c",
        "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done",
        stdin=slave,
        stdout=slave,
    )
    read_until(master, b"ready\r\n")
    os.write(master, b"\x03")

    assert client.wait() == 9
    os.close(master)
    os.close(slave)


def read_until(terminal: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        seen += os.read(terminal, 4096)
    return seen


def test_a_cluster_that_goes_down_says_so_to_whoever_waits(cluster: Supervised) -> None:
    client = spawn(
        cluster,
        "exec",
        "sh",
        "-c",
        "echo started; sleep 1000",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert client.stdout is not None
    client.stdout.readline()
    cluster.process.kill()
    _, errors = client.communicate()

    assert b"went down: 'labs up" in errors


def test_no_supervisor_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LabsError, match=r"cluster '.*' is not running: 'labs up .*' starts it"):
        Client(tmp_path / "student.sock").call("status")


def test_evidence_is_followed_as_it_comes(standing: Supervised) -> None:
    records = standing.judge.stream("evidence", since=0, follow=True)
    first = next(records)["record"]
    standing.judge.call("record", source="lab", data={"event": "hint", "exercise": "x"})

    assert first["seq"] == 1
    assert any(line["record"].get("event") == "hint" for line in records)


def test_status_tells_what_the_cluster_is(standing: Supervised) -> None:
    assert standing.student.call("status") == {
        "name": "lab",
        "nodes": ["lab-control-plane"],
        "engine": "bundled",
        "backend": "embedded",
        "api": False,
    }
