"""The real crictl against our runtime, as a person uses it on the node.

$CKS_LABS_REAL names a directory that has it, plain or as `crictl.xz`.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from tests.runtime.conftest import unpack
from tests.runtime.harness import PATIENCE, RuntimeNode

TRANSPORTS = pytest.mark.parametrize("transport", ["spdy", "websocket"])


@pytest.fixture(scope="module")
def crictl(node: RuntimeNode) -> str:
    """The real program, where the node has it."""
    real = os.environ.get("CKS_LABS_REAL")
    if real is None:
        pytest.skip("$CKS_LABS_REAL does not name a directory with crictl")
    unpack(Path(real), "crictl", node.rootfs / "root/crictl")
    return "/root/crictl"


@pytest.fixture(scope="module")
def pod(node: RuntimeNode) -> str:
    return node.sandbox("crictl")


@pytest.fixture(scope="module")
def shell(node: RuntimeNode, pod: str) -> str:
    return node.run_container(pod, "sh", name="shell", stdin=True, tty=True)


class Terminal:
    """A program of the node on a terminal, and a person in front of it."""

    def __init__(self, node: RuntimeNode, *argv: str) -> None:
        self._node = node
        tty = {"rows": 33, "cols": 111}
        self._request = node.request(op="exec", argv=list(argv), tty=tty)
        _, (self.master,) = node.reply(self._request)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait(self, text: str) -> None:
        """Read until `text` is seen after all that was waited for before."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} is not in {self.seen!r}"
            try:
                self.seen += os.read(self.master, 4096).decode(errors="replace")
            except OSError:
                raise AssertionError(f"it ended without {text!r}: {self.seen!r}") from None
        self.seen = self.seen.partition(text)[2]

    def resize(self, rows: int, columns: int) -> None:
        ioctl(self.master, TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self) -> int:
        code = int(self._node.reply(self._request, "exit")[0]["exit"])
        os.close(self.master)
        return code


@TRANSPORTS
def test_exec_passes_input_output_and_says_the_exit_code(
    node: RuntimeNode, crictl: str, shell: str, transport: str
) -> None:
    options = (crictl, "exec", "--transport", transport)

    code, out = node.run(*options, "-i", shell, "sh", "-c", "cat; exit 7", stdin=b"hello\n")

    assert code == 1
    assert out.startswith("hello\n")
    assert "command terminated with exit code 7" in out


@TRANSPORTS
def test_exec_on_a_terminal_is_a_shell_with_the_window_of_ours(
    node: RuntimeNode, crictl: str, shell: str, transport: str
) -> None:
    terminal = Terminal(node, crictl, "exec", "--transport", transport, "-it", shell, "sh")
    terminal.wait("# ")
    terminal.type("tty; stty size\r")
    terminal.wait("/dev/pts/")
    terminal.wait("33 111")
    terminal.resize(44, 99)
    terminal.type("sh -c 'echo $((40 + 2)); exec sleep 1000'\r")
    terminal.wait("42")
    terminal.type("\x03")
    terminal.wait("# ")
    terminal.type("stty size; exit 5\r")
    terminal.wait("44 99")

    assert terminal.end() == 1


def test_attach_is_at_the_containers_own_terminal(node: RuntimeNode, crictl: str, shell: str) -> None:
    terminal = Terminal(node, crictl, "attach", "-it", shell)
    terminal.type("X=42; echo it is $X\r")
    terminal.wait("it is 42")
    os.close(terminal.master)
    again = Terminal(node, crictl, "attach", "-it", shell)
    again.type("echo X is $X; exit\r")
    again.wait("X is 42")

    assert again.end() == 0
    assert node.wait_exit(shell).exit_code == 0


@TRANSPORTS
def test_a_port_of_a_pod_is_forwarded(node: RuntimeNode, crictl: str, transport: str) -> None:
    pod = node.sandbox(f"forward-{transport}")
    node.run_container(pod, "nginx", "-g", "daemon off;", image="nginx:1.27")
    address = node.address(pod)
    script = (
        f"until curl -sf {address} > /dev/null; do sleep 0.05; done; "
        f"{crictl} port-forward --transport {transport} {pod} 18080:80 > /tmp/forward 2>&1 & forward=$!; "
        "for i in $(seq 200); do curl -sf localhost:18080 && break; sleep 0.05; done; "
        "kill $forward; wait $forward; cat /tmp/forward"
    )

    text = node.sh(script)

    assert "<h1>Welcome to nginx!</h1>" in text
    assert "Forwarding from 127.0.0.1:18080 -> 80" in text


def test_pods_containers_images_and_statistics_are_listed(node: RuntimeNode, crictl: str) -> None:
    pod = node.sandbox("listed")
    container = node.run_container(pod, "sleep", "1000", name="sleeper")

    def listed(*arguments: str) -> dict[str, object]:
        document: dict[str, object] = json.loads(
            node.sh(f"{crictl} {arguments[0]} -o json {' '.join(arguments[1:])} 2>/dev/null")
        )
        return document

    assert pod in str(listed("pods"))
    assert container in str(listed("ps"))
    assert container in str(listed("stats"))
    assert pod in str(listed("statsp"))
    assert "docker.io/library/busybox:1.36" in str(listed("images"))
    assert listed("inspect", container)["status"]["state"] == "CONTAINER_RUNNING"  # type: ignore[index]
    assert listed("inspectp", pod)["status"]["state"] == "SANDBOX_READY"  # type: ignore[index]
    assert "NetworkReady" in str(listed("info"))
