"""A node's pid 1 with a test in the supervisor's place: real namespaces, real bubblewrap, mock services."""

from __future__ import annotations

import atexit
import compileall
import functools
import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import labs
from labs.nodes import cluster_init, namespaces, rootfs, views

KUBELET_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=200ms

[Install]
WantedBy=multi-user.target
"""
KUBELET_DROP_IN = """\
[Service]
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS
"""
CONTAINERD_UNIT = """\
[Unit]
Description=containerd container runtime

[Service]
ExecStart=/usr/bin/containerd
Restart=always
RestartSec=100ms
"""
#: Says what it was given, then waits; what is in /tmp/kubelet.py is done before.
KUBELET = """\
import os, signal, sys
print("I1123 17:52:14.000000 flags:", *sys.argv[1:], file=sys.stderr, flush=True)
if os.path.exists("/tmp/kubelet.py"):
    exec(open("/tmp/kubelet.py").read())
while True:
    signal.pause()
"""
#: Hands its end of the monitor socket to the test, which is the runtime from then on.
RUNTIME = """\
import os, signal, socket, sys
print("flags:", *sys.argv[1:], file=sys.stderr, flush=True)
evidence = socket.socket(fileno=int(os.environ["CKS_EVIDENCE_FD"]))
socket.send_fds(evidence, [b'{"monitor": true}'], [int(os.environ["CKS_MONITOR_FD"])])
while True:
    signal.pause()
"""
#: Opens a path on the node and passes the descriptor out through its stdin.
OPEN = """\
import os, socket, sys
socket.send_fds(socket.socket(fileno=0), [b"."], [os.open(sys.argv[1], os.O_RDONLY)])
"""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Ended(Exception):
    """The node's control socket was closed: its pid 1 is gone."""


@functools.cache
def project() -> Path:
    """The project as a node has it, compiled, with stand-ins for kubelet and runtime; made once."""
    source, copy = Path(labs.__file__).parent, Path(tempfile.mkdtemp(prefix="cks-labs-sources-"))
    atexit.register(shutil.rmtree, copy)
    copy.chmod(0o755)
    for name in ("__init__.py", "errors.py", "nodes/__init__.py", "nodes/boot.py", "nodes/init", "tools"):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / name, target)
    (copy / "kubelet.py").write_text(KUBELET)
    (copy / "runtime.py").write_text(RUNTIME)
    compileall.compile_dir(copy, quiet=1)
    return copy


class Node:
    """A booted node without network: `run` commands on it, look at its events, act as its runtime."""

    def __init__(self, directory: Path, hostname: str = "cks-control-plane") -> None:
        self.directory = directory
        self.hostname = hostname
        self.rootfs = directory / "nodes" / hostname / "rootfs"
        self.events: list[dict[str, Any]] = []
        self._replies: deque[tuple[dict[str, Any], list[int]]] = deque()
        self._next = 0
        self._exits: dict[int, int] = {}
        self._lay_out()
        self.cluster: cluster_init.ClusterInit | None = None

    def _lay_out(self) -> None:
        base = self.directory / "nodes" / self.hostname
        rootfs.write(self.rootfs, self.hostname, "172.18.0.2")
        rootfs.write_trusted_etc(base / "etc", self.hostname, "172.18.0.2")
        rootfs.write_tools(base / "tools", views.NodePython.own().student_command)
        (base / "trusted").mkdir(exist_ok=True)
        for path, text in {
            "etc/systemd/system/kubelet.service": KUBELET_UNIT,
            "etc/systemd/system/kubelet.service.d/10-kubeadm.conf": KUBELET_DROP_IN,
            "etc/systemd/system/containerd.service": CONTAINERD_UNIT,
            "var/lib/kubelet/kubeadm-flags.env": 'KUBELET_KUBEADM_ARGS="--node-ip=172.18.0.2 --v=2"\n',
        }.items():
            (self.rootfs / path).parent.mkdir(parents=True, exist_ok=True)
            (self.rootfs / path).write_text(text)
        wanted = self.rootfs / "etc/systemd/system/multi-user.target.wants/kubelet.service"
        wanted.parent.mkdir(exist_ok=True)
        wanted.unlink(missing_ok=True)
        wanted.symlink_to("/etc/systemd/system/kubelet.service")
        if os.geteuid() == 0:
            for path in [base, *base.rglob("*")]:
                os.chown(path, namespaces.ROOT_BASE, namespaces.ROOT_BASE, follow_symlinks=False)

    def project(self) -> Path:
        """The directory that the node has as the package `labs`."""
        return project()

    def boot(self) -> Node:
        sources = views.sources(self.directory / "nodes") | {"labs": self.project()}
        self.cluster = cluster_init.start(sources)
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.evidence, evidence = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {"PATH": PATH, "LANG": "C.UTF-8", **views.NodePython.own().environment}
        command = views.node_command(self.hostname)
        request = {
            "id": 1,
            "op": "node",
            "name": self.hostname,
            "index": 0,
            "count": 1,
            "command": command,
            "environment": environment,
        }
        socket.send_fds(
            self.cluster.control, [json.dumps(request).encode()], [control.fileno(), evidence.fileno()]
        )
        nested = self.cluster.id_map.nested()
        self.send(
            op="boot",
            hostname=self.hostname,
            python=views.NodePython.own().command,
            userns={
                "uid_map": namespaces.map_text(nested.uids),
                "gid_map": namespaces.map_text(nested.gids),
                "setgroups": nested.setgroups,
            },
            student={"env": rootfs.ENVIRONMENT, "cwd": "/root"},
            trusted={"env": {"PATH": PATH}},
        )
        self.wait_event(event="ready")
        control.close()
        evidence.close()
        return self

    def send(self, fds: list[int] | None = None, **message: Any) -> None:
        socket.send_fds(self.control, [json.dumps(message).encode()], fds or [])

    def receive(self, timeout: float = 20.0) -> tuple[dict[str, Any], list[int]]:
        if not select.select([self.control], [], [], timeout)[0]:
            raise TimeoutError("the node said nothing")
        data, fds, _, _ = socket.recv_fds(self.control, 1 << 18, 4)
        if not data:
            raise Ended
        message = json.loads(data)
        if "event" in message:
            self.events.append(message)
        return message, fds

    def wait_event(self, timeout: float = 20.0, **fields: Any) -> dict[str, Any]:
        """The first event with these fields, of all that came and will come; those before are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            for at, event in enumerate(self.events):
                if all(event.get(key) == value for key, value in fields.items()):
                    del self.events[: at + 1]
                    return event
            message, fds = self.receive(max(0.0, deadline - time.monotonic()))
            if "event" not in message:
                self._replies.append((message, fds))

    def reply(self, request: int, key: str | None = None) -> tuple[dict[str, Any], list[int]]:
        """The next answer to a request (with this key)."""
        while True:
            for at, (message, fds) in enumerate(self._replies):
                if message.get("id") == request and (key is None or key in message or "error" in message):
                    del self._replies[at]
                    return message, fds
            message, fds = self.receive()
            if "event" not in message:
                self._replies.append((message, fds))

    def request(self, fds: list[int] | None = None, **message: Any) -> int:
        self._next += 1
        self.send(fds, id=self._next, **message)
        return self._next

    def unit(self, verb: str, unit: str = "kubelet") -> dict[str, Any]:
        return self.reply(self.request(op="unit", verb=verb, unit=unit))[0]

    def run(self, *argv: str, stdin: bytes = b"", **options: Any) -> tuple[int, str]:
        """Run a command in the student's view (or another): exit status, and stdout with stderr."""
        request, output = self.start(*argv, stdin=stdin, **options)
        with os.fdopen(output, "rb") as stream:
            text = stream.read().decode(errors="replace")
        return self.reply(request, "exit")[0]["exit"], text

    def start(self, *argv: str, stdin: bytes = b"", **options: Any) -> tuple[int, int]:
        """Start a command: the id of its request, and a descriptor to read its output from."""
        reader, writer = os.pipe()
        in_reader, in_writer = os.pipe()
        request = self.request([in_reader, writer, writer], op="exec", argv=list(argv), **options)
        for fd in (writer, in_reader):
            os.close(fd)
        os.write(in_writer, stdin)
        os.close(in_writer)
        answer, _ = self.reply(request)
        if "error" in answer:
            os.close(reader)
            raise RuntimeError(answer["error"])
        return request, reader

    def sh(self, script: str, **options: Any) -> str:
        """The output of a shell script that must succeed."""
        code, text = self.run("bash", "-c", script, **options)
        assert code == 0, f"{script!r} gave {code}: {text}"
        return text

    def open(self, path: str) -> int:
        """A descriptor of a path of the trusted view (a namespace, say)."""
        ours, theirs = socket.socketpair()
        with ours, theirs, Path(os.devnull).open("rb+") as null:
            request = self.request(
                [theirs.fileno(), null.fileno(), null.fileno()],
                op="exec",
                argv=[*views.NodePython.own().command, "-c", OPEN, path],
                view="trusted",
            )
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
            self.reply(request, "exit")
        return fds[0]

    def runtime(self) -> Runtime:
        """Start containerd and be the runtime behind it."""
        assert "error" not in self.unit("start", "containerd")
        return self.next_runtime()

    def next_runtime(self) -> Runtime:
        """Be the runtime of the next start of containerd."""
        _, fds, _, _ = socket.recv_fds(self.evidence, 1024, 1)
        return Runtime(socket.socket(fileno=fds[0]))

    def down(self) -> None:
        if self.cluster is None:
            return
        os.kill(self.cluster.keeper, signal.SIGKILL)
        os.waitpid(self.cluster.keeper, 0)
        for sock in (self.control, self.evidence, self.cluster.control):
            sock.close()
        self.cluster = None


class Runtime:
    """The container runtime's end of the monitor socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(20)
        self.exits: dict[str, dict[str, Any]] = {}
        self._next = 0
        self._replies: list[tuple[dict[str, Any], list[int]]] = []

    def call(self, op: str, fds: list[int] | None = None, **fields: Any) -> dict[str, Any]:
        return self.call_with_fds(op, fds, **fields)[0]

    def call_with_fds(
        self, op: str, fds: list[int] | None = None, **fields: Any
    ) -> tuple[dict[str, Any], list[int]]:
        self._next += 1
        socket.send_fds(self.sock, [json.dumps({"op": op, "id": self._next, **fields}).encode()], fds or [])
        return self.reply(self._next)

    def reply(self, request: int) -> tuple[dict[str, Any], list[int]]:
        while True:
            for at, (message, fds) in enumerate(self._replies):
                if message.get("id") == request:
                    del self._replies[at]
                    return message, fds
            self._receive()

    def wait_exit(self, name: str) -> dict[str, Any]:
        while name not in self.exits:
            self._receive()
        return self.exits[name]

    def exec(self, pid: int, *argv: str, **fields: Any) -> tuple[int, str]:
        """Run a command in a container: exit status and output."""
        reader, writer = os.pipe()
        with Path(os.devnull).open("rb") as null:
            answer = self.call("exec", [null.fileno(), writer, writer], pid=pid, argv=list(argv), **fields)
        os.close(writer)
        request = self._next
        with os.fdopen(reader, "rb") as stream:
            text = stream.read().decode()
        if "error" in answer:
            return -1, answer["error"]
        return self.reply(request)[0]["exit"], text

    def _receive(self) -> None:
        data, fds, _, _ = socket.recv_fds(self.sock, 1 << 18, 4)
        if not data:
            raise Ended
        message = json.loads(data)
        if message.get("event") == "exited":
            self.exits[message["name"]] = message
        else:
            self._replies.append((message, fds))
