"""A node whose containerd is the real `labs.runtime`, and a CRI client to it. There is no kubelet."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from pathlib import Path
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as cri
from cri_api.v1 import api_pb2_grpc

import labs
from labs.nodes import views
from tests.nodes.init.harness import Node

BUSYBOX = "busybox:1.36"
PATIENCE = 30.0
#: Before each script of `RuntimeNode.python`.
PREFACE = f"import sys; sys.path.insert(0, '{views.PROJECT}/src')\n"


class RuntimeNode(Node):
    """A booted node on which only containerd runs."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.records: list[dict[str, Any]] = []

    def project(self) -> Path:
        return Path(labs.__file__).parent

    def boot(self) -> RuntimeNode:
        super().boot()
        # /run is a tmpfs that only the node sees; below /var a test can reach the socket, too
        self.sh("mkdir -p /var/lib/containerd/run && ln -s /var/lib/containerd/run /run/containerd")
        self.start_runtime()
        return self

    def reboot(self) -> None:
        """Power off, and on again."""
        self.down()
        self.boot()

    @property
    def trusted(self) -> Path:
        """The runtime's state as the host sees it."""
        return self.directory / "nodes" / self.hostname / "trusted"

    def start_runtime(self) -> None:
        """Start containerd and wait until it answers."""
        self.unit("start", "containerd")
        self.wait_record(event="RuntimeStarted")
        self._directory = os.open(self.rootfs / "var/lib/containerd/run", os.O_PATH)
        # as long a path as tests have is no address of a socket
        address = f"unix:///proc/self/fd/{self._directory}/containerd.sock"
        self.channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self.cri = api_pb2_grpc.RuntimeServiceStub(self.channel)
        self.images = api_pb2_grpc.ImageServiceStub(self.channel)

    def kill_runtime(self, meanwhile: str = "true") -> None:
        """kill -9, do something, and start again; returns when the new one answers."""
        self.channel.close()
        os.close(self._directory)
        self.sh("systemctl stop containerd & kill -9 $(pgrep -f ^/usr/bin/containerd); wait")
        self.sh(meanwhile, view="trusted")
        self.start_runtime()

    def down(self) -> None:
        if self.cluster is not None and hasattr(self, "channel"):
            self.channel.close()
        super().down()

    def run_long(self, *argv: str, **options: Any) -> tuple[int, str]:
        """As `run`, for what makes the runtime give more evidence than a socket holds."""
        request, output = self.start(*argv, **options)
        text = b""
        with os.fdopen(output, "rb", buffering=0) as stream:
            while True:
                ready, _, _ = select.select([stream, self.evidence], [], [])
                self.drain()
                if stream in ready:
                    piece = stream.read(65536)
                    if not piece:
                        break
                    text += piece
        return int(self.reply(request, "exit")[0]["exit"]), text.decode(errors="replace")

    def python(self, script: str, *arguments: str) -> Any:
        """The JSON that a Python script prints which runs beside the runtime, with our packages."""
        command = [*views.NodePython.own().command, "-c", PREFACE + script, *arguments]
        code, text = self.run(*command, view="trusted")
        assert code == 0, text
        return json.loads(text)

    def info(self, container: str) -> dict[str, Any]:
        """The verbose status of a container."""
        request = cri.ContainerStatusRequest(container_id=container, verbose=True)
        info: dict[str, Any] = json.loads(self.cri.ContainerStatus(request).info["info"])
        return info

    def address(self, sandbox: str) -> str:
        """The IP address of a pod."""
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox)
        return str(self.cri.PodSandboxStatus(request).status.network.ip)

    # evidence

    def drain(self) -> list[dict[str, Any]]:
        """All evidence so far."""
        while select.select([self.evidence], [], [], 0)[0]:
            self._record(self.evidence.recv(1 << 17))
        return self.records

    def wait_record(self, **wanted: Any) -> dict[str, Any]:
        """The next record with these fields that comes in from now on."""
        deadline = time.monotonic() + PATIENCE
        while select.select([self.evidence], [], [], max(0.0, deadline - time.monotonic()))[0]:
            record = self._record(self.evidence.recv(1 << 17))
            if wanted.items() <= record.items():
                return record
        raise TimeoutError(f"no evidence of {wanted}; journal: {self.journal()}")

    def _record(self, data: bytes) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(data)
        self.records.append(record)
        return record

    def journal(self) -> list[str]:
        """What containerd wrote."""
        while select.select([self.control], [], [], 0)[0]:
            try:
                self.receive(0)
            except (TimeoutError, EOFError):
                break
        return [event["message"] for event in self.events if event.get("event") == "journal"]

    # pods

    def sandbox(self, name: str = "web", **options: Any) -> str:
        """A running sandbox of a pod of this name."""
        return str(
            self.cri.RunPodSandbox(
                cri.RunPodSandboxRequest(config=sandbox_config(name, **options))
            ).pod_sandbox_id
        )

    def create(
        self, sandbox: str, *command: str, name: str = "main", image: str = BUSYBOX, **options: Any
    ) -> str:
        config = container_config(name, image, command, **options)
        request = cri.CreateContainerRequest(pod_sandbox_id=sandbox, config=config)
        return str(self.cri.CreateContainer(request).container_id)

    def run_container(self, sandbox: str, *command: str, **options: Any) -> str:
        """A started container."""
        container = self.create(sandbox, *command, **options)
        self.cri.StartContainer(cri.StartContainerRequest(container_id=container))
        return container

    def run_python(self, sandbox: str, script: str, *arguments: str, **options: Any) -> str:
        """A started container with a Python script, whose image has the machine's Python."""
        python = views.NodePython.own()
        command = [*python.command, "-c", script, *arguments]
        return self.run_container(sandbox, *command, image="nginx:1.27", env=python.environment, **options)

    def exec_sync(self, container: str, *command: str, timeout: int = 0) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        request = cri.ExecSyncRequest(container_id=container, cmd=command, timeout=timeout)
        answer = self.cri.ExecSync(request)
        return answer.exit_code, answer.stdout.decode(), answer.stderr.decode()

    def status(self, container: str) -> Any:
        return self.cri.ContainerStatus(cri.ContainerStatusRequest(container_id=container)).status

    def wait_exit(self, container: str) -> Any:
        """The status of a container once it has exited."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status = self.status(container)
            if status.state == cri.CONTAINER_EXITED:
                return status
            select.select([self.evidence], [], [], 0.2)
            self.drain()
        raise TimeoutError(f"{container} does not exit")

    def log_of(self, container: str) -> str:
        """What is in its log on the node, as it is now."""
        return self.sh(f"cat {self.status(container).log_path}")

    def wait_log(self, container: str, text: str) -> None:
        """Return when its log has `text`."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.log_of(container):
            assert time.monotonic() < deadline, f"no {text!r} in {self.log_of(container)!r}"
            time.sleep(0.05)


def sandbox_config(name: str, **options: Any) -> Any:
    """A pod's config, with what the kubelet sets always."""
    host_network = options.pop("host_network", False)
    namespaces = cri.NamespaceOption(
        network=cri.NODE if host_network else cri.POD,
        pid=options.pop("pid", cri.CONTAINER),
        ipc=options.pop("ipc", cri.POD),
    )
    uid = options.pop("uid", f"{name}-uid")
    linux = options.pop("linux", cri.LinuxPodSandboxConfig())
    linux.security_context.namespace_options.CopyFrom(namespaces)
    return cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(
            name=name, uid=uid, namespace="default", attempt=options.pop("attempt", 0)
        ),
        hostname="" if host_network else name,
        log_directory=f"/var/log/pods/default_{name}_{uid}",
        labels={
            "io.kubernetes.pod.name": name,
            "io.kubernetes.pod.namespace": "default",
            "io.kubernetes.pod.uid": uid,
        }
        | options.pop("labels", {}),
        linux=linux,
        **options,
    )


def container_config(name: str, image: str, command: tuple[str, ...], **options: Any) -> Any:
    attempt = options.pop("attempt", 0)
    security = options.pop("security", {})
    env = options.pop("env", {})
    pid = options.pop("pid", cri.CONTAINER)
    linux = options.pop("linux", cri.LinuxContainerConfig())
    linux = cri.LinuxContainerConfig(resources=linux.resources)
    linux.security_context.MergeFrom(
        cri.LinuxContainerSecurityContext(namespace_options=cri.NamespaceOption(pid=pid), **security)
    )
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=name, attempt=attempt),
        image=cri.ImageSpec(image=image),
        command=command,
        envs=[cri.KeyValue(key=key, value=value) for key, value in env.items()],
        log_path=f"{name}/{attempt}.log",
        labels={"io.kubernetes.container.name": name} | options.pop("labels", {}),
        linux=linux,
        **options,
    )


def connect(directory: Path, name: str) -> socket.socket:
    """A SOCK_SEQPACKET connection to a socket below `directory`, however long its path."""
    held = os.open(directory, os.O_PATH)
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(f"/proc/self/fd/{held}/{name}")
        return connection
    finally:
        os.close(held)
