"""`labs node` on a running cluster: streams, statuses, signals and terminals, as if it were ssh."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from tests.cli.running import LABS, labs
from tests.conftest import booted


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    """A cluster with a node and no control plane: all that a shell needs."""
    with booted(bare=True) as cluster:
        yield cluster.name


def start(name: str, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [LABS, "node", "-c", name, "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_command_runs_as_root_on_the_node(name: str) -> None:
    done = labs("node", "-c", name, "--", "sh", "-c", "id -un; hostname; pwd")

    assert done.stdout == f"root\n{name}-control-plane\n/root\n"


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_its_status_is_passed_on(name: str, script: str, status: int) -> None:
    assert labs("node", "-c", name, "--", "sh", "-c", script).returncode == status


def test_a_command_that_is_not_there_is_127(name: str) -> None:
    done = labs("node", "-c", name, "--", "no-such-command")

    assert done.returncode == 127
    assert "no-such-command" in done.stderr


def test_a_node_that_is_not_there_is_125(name: str) -> None:
    done = labs("node", "-c", name, "-n", "no-such-node", "--", "true")

    assert done.returncode == 125
    assert done.stderr.count("\n") == 1
    assert "no-such-node" in done.stderr


def test_output_and_errors_stay_apart(name: str) -> None:
    done = labs("node", "-c", name, "--", "sh", "-c", "echo out; echo err >&2")

    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_input_is_piped_through_to_its_end(name: str) -> None:
    text = "".join(f"line {number}\n" for number in range(50_000))

    assert labs("node", "-c", name, "--", "cat", input=text).stdout == text


def test_a_reader_that_goes_away_ends_the_command(name: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{LABS} node -c {name} -- yes | head -n 1"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == "y\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_command_whose_status_counts(name: str, number: signal.Signals) -> None:
    script = "trap 'echo caught; exit 9' INT TERM; echo ready; while :; do sleep 0.05; done"
    process = start(name, "bash", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)

    assert (process.returncode, out) == (9, "caught\n")


def test_a_killed_labs_takes_the_command_with_it(name: str) -> None:
    process = start(name, "sh", "-c", "echo $$; exec sleep 1000")
    assert process.stdout is not None
    pid = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    gone = f"for i in $(seq 100); do kill -0 {pid} 2>/dev/null || exit 0; sleep 0.05; done; exit 1"

    assert labs("node", "-c", name, "--", "sh", "-c", gone).returncode == 0


class Terminal:
    """A person's terminal in which `labs node` runs."""

    def __init__(self, name: str, *command: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        argv = [LABS, "node", "-c", name, *command]
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm"},
        )
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str, seconds: float = 15.0) -> None:
        """Read until `text` is on the screen."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.master, 65536).decode()
        self.seen = self.seen.partition(text)[2]

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def end(self) -> int:
        """The status; the terminal must be as it was."""
        status = self.process.wait(20)
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.slave)
        os.close(self.master)
        return status


def test_without_a_command_there_is_a_login_shell_with_the_exams_prompt(name: str) -> None:
    terminal = Terminal(name)
    terminal.expect(f"root@{name}-control-plane:~# ")
    terminal.type("cd /etc/kubernetes; tty\r")
    terminal.expect("/dev/pts/")
    terminal.expect(f"root@{name}-control-plane:/etc/kubernetes# ")
    terminal.type("exit 4\r")

    assert terminal.end() == 4


def test_the_nodes_terminal_has_this_ones_size_also_when_it_changes(name: str) -> None:
    terminal = Terminal(name)
    terminal.expect("# ")
    terminal.type("stty size\r")
    terminal.expect("40 100\r\n")
    terminal.resize(25, 81)
    terminal.type("stty size\r")
    terminal.expect("25 81\r\n")
    terminal.type("exit\r")

    assert terminal.end() == 0


def test_control_keys_go_to_the_node(name: str) -> None:
    terminal = Terminal(name)
    terminal.expect("# ")
    terminal.type("echo read''y; cat\r")
    terminal.expect("ready\r\n")
    terminal.type("marco\r")
    # the second is cat's: it runs, so that no starting shell can swallow the key
    terminal.expect("marco\r\nmarco\r\n")
    terminal.type("\x03")
    terminal.expect("^C")
    terminal.expect("# ")
    terminal.type("echo status $?\r")
    terminal.expect("status 130\r\n")
    terminal.expect("# ")
    terminal.type("\x04")

    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back_also_when_labs_is_ended(name: str, number: signal.Signals) -> None:
    terminal = Terminal(name)
    terminal.expect("# ")
    terminal.process.send_signal(number)

    assert terminal.end() == 128 + number


@pytest.mark.parametrize("command", ["k", "kubectl"])
def test_tab_completes_kubectl_and_k(name: str, command: str) -> None:
    terminal = Terminal(name)
    terminal.expect("# ")
    terminal.type(f"{command} cluster-i\t")
    terminal.expect("cluster-info ")
    terminal.type("\x15exit\r")

    assert terminal.end() == 0


def test_a_command_on_a_node_loads_little_so_that_it_answers_at_once(name: str) -> None:
    def loaded(*command: str) -> set[str]:
        run = subprocess.run(
            [sys.executable, "-X", "importtime", *command], check=True, capture_output=True, text=True
        )
        lines = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
        return {line.rpartition("|")[2].strip() for line in lines}

    modules = loaded(LABS, "node", "-c", name, "--", "true") - loaded("-c", "pass")
    packages = {module.partition(".")[0] for module in modules}

    assert "labs.nodes.client" in modules
    assert packages - {"labs"} <= sys.stdlib_module_names
    assert not packages & {"argparse", "asyncio", "email", "http", "importlib", "logging", "ssl"}
