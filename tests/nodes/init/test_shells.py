"""A student's commands: root in his own view, without power over what is trusted."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import termios
from typing import Any

import pytest

from tests.nodes.init.harness import Node

TIMEOUT = 20


class Terminal:
    """A command on a terminal of the node."""

    def __init__(self, node: Node, *argv: str, rows: int = 24, cols: int = 80, **options: Any) -> None:
        self.node = node
        tty = {"rows": rows, "cols": cols, "term": "xterm-256color"}
        self.request = node.request(op="exec", argv=list(argv), tty=tty, **options)
        answer, fds = node.reply(self.request)
        assert "error" not in answer, answer
        self.pid, self.master = answer["pid"], fds[0]
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str) -> None:
        while text not in self.seen:
            self.seen += os.read(self.master, 4096).decode()
        self.seen = self.seen.partition(text)[2]

    def exit(self) -> int:
        return int(self.node.reply(self.request, "exit")[0]["exit"])


def test_a_command_has_root_its_home_and_the_nodes_name(shared_node: Node) -> None:
    assert shared_node.sh("id -u; pwd; hostname; echo $HOME $KUBECONFIG").split() == [
        *("0", "/root", "cks-control-plane", "/root", "/etc/kubernetes/admin.conf")
    ]


def test_whatever_runs_on_a_node_is_woken_a_little_late(shared_node: Node) -> None:
    assert shared_node.sh("cat /proc/self/timerslack_ns").strip() == "1000000"


@pytest.mark.parametrize(
    ("argv", "code", "output"),
    [
        (["bash", "-c", "exit 7"], 7, ""),
        (["bash", "-c", "kill -9 $$"], 137, ""),
        (["nosuch"], 127, "bash: nosuch: command not found\n"),
        (["/nosuch/file"], 127, "bash: /nosuch/file: No such file or directory\n"),
        (["/etc/passwd"], 126, "bash: /etc/passwd: Permission denied\n"),
    ],
)
def test_status_and_message_are_a_shells(shared_node: Node, argv: list[str], code: int, output: str) -> None:
    assert shared_node.run(*argv) == (code, output)


def test_stdin_environment_and_directory_are_the_callers(shared_node: Node) -> None:
    assert shared_node.run(
        "sh", "-c", "cat; pwd; echo $COLOR", stdin=b"in\n", cwd="/etc", env={"COLOR": "red"}
    ) == (
        0,
        "in\n/etc\nred\n",
    )


def test_a_missing_directory_is_an_error(shared_node: Node) -> None:
    with pytest.raises(RuntimeError, match="cannot change to directory /nosuch: No such file or directory"):
        shared_node.run("true", cwd="/nosuch")


def test_signals_have_their_default_effect(shared_node: Node) -> None:
    ignored = int(shared_node.sh("grep SigIgn /proc/self/status").split()[1], 16)
    blocked = int(shared_node.sh("grep SigBlk /proc/self/status").split()[1], 16)

    # above 31 are the C library's own, which it lets nobody set
    assert (ignored & 0x7FFFFFFF, blocked & 0x7FFFFFFF) == (0, 0)
    assert shared_node.sh("ls /proc/self/fd").split() == ["0", "1", "2", "3"]


#: Says when it is started and when it goes on after a stop; forks nothing that a stop could catch halfway,
#: and waits for what is blocked, so that no signal can slip in just before the wait.
WAIT = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.write(1, b'running')
while True:
    signal.sigwait([signal.SIGCONT])
    os.write(1, b'continued')
"""


def test_a_terminal_is_one_of_the_node_with_job_control(shared_node: Node) -> None:
    terminal = Terminal(shared_node, "bash", "--norc", "-i", rows=40, cols=100, env={"WAIT": WAIT})
    terminal.type("tty; stty size; echo $TERM\n")
    terminal.expect("/dev/pts/")
    terminal.expect("40 100")
    terminal.expect("xterm-256color")
    terminal.expect("# ")  # the shell reads again
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 81, 0, 0))
    terminal.type("stty size\n")
    terminal.expect("25 81")
    terminal.type('python3 -Sc "$WAIT"\n')
    terminal.expect("running")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.type("fg\n")
    terminal.expect("continued")
    terminal.type("\x03")
    terminal.type("exit 6\n")

    assert terminal.exit() == 6


def test_closing_the_terminal_ends_the_shell(shared_node: Node) -> None:
    terminal = Terminal(shared_node, "bash", "--norc", "-i")
    os.close(terminal.master)

    assert terminal.exit() == 129


def test_hanging_up_ends_the_whole_session(shared_node: Node) -> None:
    script = "set -m; sleep 1000 & sleep 1001 & echo $!; wait"
    request, output = shared_node.start("bash", "-c", script)
    last = int(os.read(output, 100))
    shared_node.send(op="signal", id=request, signal=int(signal.SIGHUP))

    assert shared_node.reply(request, "exit")[0]["exit"] == 129
    with os.fdopen(output) as stream:
        stream.read()  # ends when nobody is left to write
    assert not shared_node.sh(f"ps -o stat= -p {last} || true").strip().startswith("S")


def test_an_interrupt_reaches_the_process_group(shared_node: Node) -> None:
    request, output = shared_node.start("bash", "-c", "trap 'exit 42' INT; echo up; sleep 1000 & wait")
    assert os.read(output, 10) == b"up\n"
    shared_node.send(op="signal", id=request, signal=int(signal.SIGINT))

    assert shared_node.reply(request, "exit")[0]["exit"] == 42
    os.close(output)


def test_shells_see_each_other_as_on_one_machine(shared_node: Node) -> None:
    request, output = shared_node.start("bash", "-c", "echo $$; exec sleep 1000", env={"MARK": "here"})
    other = int(os.read(output, 100))
    seen = shared_node.sh(f"tr '\\0' '\\n' </proc/{other}/environ; readlink /proc/{other}/cwd")
    shared_node.send(op="signal", id=request, signal=int(signal.SIGKILL))
    shared_node.reply(request, "exit")
    os.close(output)

    assert "MARK=here" in seen
    assert "/root" in seen


TRUSTED = """
import os, sys
for pid in sys.argv[1:]:
    for what in "mem environ maps auxv root/cks cwd/. ns/mnt ns/user fd/0 fd/1 fd/3 fd/4 fd/10 exe".split():
        try:
            os.close(os.open(f"/proc/{pid}/{what}", os.O_RDONLY))
        except OSError as error:
            if not isinstance(error, PermissionError) and not what.startswith("fd/"):
                print(pid, what, error)
        else:
            print(pid, what, "was opened")
"""


def test_trusted_processes_cannot_be_looked_into(node: Node) -> None:
    node.runtime().sock.close()
    node.unit("start", "kubelet")
    pids = [node.unit("status", unit)["unit"]["pid"] for unit in ("kubelet", "containerd")]

    assert node.sh(f"/usr/bin/env python3 -S -c '{TRUSTED}' 1 {pids[0]} {pids[1]}") == ""
    for pid in (1, *pids):
        for attempt in (f"nsenter -t {pid} -m true", f"nsenter -t {pid} -U true", f"cat /proc/{pid}/fd/1"):
            code, text = node.run("bash", "-c", attempt)
            assert code != 0, attempt
            assert "ermission denied" in text or "not permitted" in text, (attempt, text)


@pytest.mark.parametrize(
    "attempt",
    [
        "mount -t tmpfs x /mnt",
        "umount /usr",
        "mount -o remount,rw /usr",
        "hostname other",
        "mknod /tmp/d b 8 0",
        "touch /usr/x",
        "touch /usr/local/bin/x",
    ],
)
def test_the_nodes_foundations_are_out_of_reach(shared_node: Node, attempt: str) -> None:
    assert shared_node.run("bash", "-c", attempt)[0] != 0


@pytest.mark.parametrize("number", ["KILL", "STOP", "TERM", "INT", "HUP", "USR1", "SEGV"])
def test_pid_1_cannot_be_signalled_away(shared_node: Node, number: str) -> None:
    shared_node.run("bash", "-c", f"kill -{number} 1")

    assert shared_node.sh("echo alive") == "alive\n"


def test_what_the_student_leaves_for_the_loader_or_python_is_not_executed(node: Node) -> None:
    trap = 'open("/tmp/caught", "w")'
    node.sh(
        f"""echo '/tmp/evil.so' > /etc/ld.so.preload
        mkdir -p /etc/python3 /etc/python3.11 /root/.local/lib/python3.11/site-packages
        for d in /etc/python3.11 /root /root/.local/lib/python3.11/site-packages /tmp /; do
            for f in sitecustomize usercustomize runpy; do echo '{trap}' > $d/$f.py; done
        done
        printf '[Service]\\nEnvironment=PYTHONPATH=/tmp LD_PRELOAD=/tmp/evil.so\\n' \
            > /etc/systemd/system/kubelet.service.d/20-trap.conf"""
    )
    node.unit("daemon-reload")
    node.unit("restart", "kubelet")
    node.wait_event(event="journal", unit="kubelet.service", identifier="kubelet")
    pid = node.unit("status")["unit"]["pid"]
    environment = node.sh(f"tr '\\0' '\\n' < /proc/{pid}/environ", view="trusted")

    assert "evil" not in node.sh(f"cat /proc/{pid}/maps", view="trusted")
    assert not any(name in environment for name in ("PYTHON", "LD_PRELOAD"))
    assert not (node.rootfs / "tmp/caught").exists()


def test_a_resumed_node_does_not_follow_the_students_links(node: Node) -> None:
    node.sh("rm -rf /srv /mnt /home; ln -s /proc /srv; ln -s /../../../../../etc /mnt; ln -s /nowhere /home")
    node.sh("echo /tmp/evil.so > /etc/ld.so.preload")
    node.down()
    node.boot()

    assert (
        node.sh("cat /mnt/ld.so.preload", view="trusted") == "/tmp/evil.so\n"
    )  # his own /etc, not the host's
    assert "evil" not in node.sh("cat /proc/1/maps", view="trusted")


def test_the_student_cannot_keep_descriptors_from_pid_1(shared_node: Node) -> None:
    before = len(shared_node.sh("ls /proc/1/fd", view="trusted").split())
    for _ in range(20):
        shared_node.run("true")
        Terminal(shared_node, "true").exit()
        shared_node.run("nosuch")
    after = len(shared_node.sh("ls /proc/1/fd", view="trusted").split())

    assert after < before + 5


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"op": "dance"}, "unknown op 'dance'"),
        ({"op": "exec", "argv": ["true"]}, "exec: three descriptors, or a tty, are needed"),
        ({"op": "exec", "argv": [], "tty": {}}, "exec: three descriptors, or a tty, are needed"),
        ({"op": "exec", "argv": [1], "tty": {"rows": 1, "cols": 1}}, "argv: a list of texts is needed"),
        ({"op": "exec", "argv": ["true"], "tty": {"rows": 1}, "view": "gods"}, "there is no view 'gods'"),
        (
            {"op": "exec", "argv": ["true"], "tty": {"rows": 1}, "env": {"A": 1}},
            "env: an object of texts is needed",
        ),
        ({"op": "unit", "verb": "start"}, "unit: a text is needed"),
    ],
)
def test_a_bad_request_is_answered_in_a_line(
    shared_node: Node, message: dict[str, Any], complaint: str
) -> None:
    assert shared_node.reply(shared_node.request(**message))[0]["error"] == complaint


def test_noise_on_the_control_socket_does_no_harm(shared_node: Node) -> None:
    for noise in (b"{", b"[]", b"\xff", b"null", b'{"op": []}', b'{"op": "exec", "id": "x"}', b"y" * 140_000):
        shared_node.control.send(noise)
    with socket.socket() as spare:
        socket.send_fds(shared_node.control, [b"{}"], [spare.fileno()] * 10)

    assert shared_node.sh("echo alive") == "alive\n"
