"""A pod's sandbox: a pause process in namespaces of its own, which the pod's containers join."""

import logging
import os
import secrets
import time
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime import bubble, sysctls
from labs.runtime.cni import NoNetworkError
from labs.runtime.errors import CriError
from labs.runtime.evidence import Evidence
from labs.runtime.hostports import HostPorts
from labs.runtime.images import ImageStore
from labs.runtime.kernelfs import KernelFiles
from labs.runtime.launcher import Command, Launcher, SetUpError, only_child
from labs.runtime.network import NetworkError, PodNetwork
from labs.runtime.nodefs import NodeFiles
from labs.runtime.processes import Processes
from labs.runtime.records import Records, Sandbox

log = logging.getLogger("containerd")

PAUSE = "registry.k8s.io/pause:3.10"


def new_id() -> str:
    """64 hexadecimal digits, as containerd's."""
    return secrets.token_hex(32)


class Sandboxes:
    """All sandboxes of the node."""

    def __init__(
        self,
        records: Records[Sandbox],
        launcher: Launcher,
        processes: Processes,
        images: ImageStore,
        network: PodNetwork,
        files: NodeFiles,
        kernel: KernelFiles,
        evidence: Evidence,
    ) -> None:
        self.records = records
        self._launcher = launcher
        self._processes = processes
        self._images = images
        self._network = network
        self._files = files
        self._kernel = kernel
        self._ports = HostPorts()
        self._evidence = evidence

    async def adopt(self) -> None:
        """After a start: which sandboxes are still alive?"""
        self.records.load()
        for sandbox in self.records:
            process = self._processes.find(sandbox.id)
            if not sandbox.ready:
                continue
            if process is None or not process.running:
                self._ended(sandbox)
            elif not sandbox.pid:  # the last runtime was killed while it started it
                await self._end(sandbox.id, only_child(process.pid))
                self._ended(sandbox)
            elif sandbox.networked:
                await self._open_ports(sandbox)

    async def start(self, sandbox: Sandbox) -> None:
        """Start a new sandbox; one that fails is forgotten."""
        try:
            await self._start(sandbox)
        except BaseException:
            await self._end(sandbox.id, sandbox.pid)
            await self._processes.forget(sandbox.id)
            self._ports.close(sandbox)
            self._kernel.release(sandbox)
            self.records.remove(sandbox)
            raise
        self._evidence.sandbox("SandboxCreated", sandbox)

    def new(self, config: Any, handler: str) -> Sandbox:
        """Note a sandbox and lay out its files; nothing runs yet."""
        if handler not in ("", "runc"):
            raise CriError(f'failed to get sandbox runtime: no runtime for "{handler}" is configured')
        identity = new_id()
        directory = self.records.directory_of(identity)
        sandbox = Sandbox(identity, config, directory, time.time_ns(), runtime_handler=handler)
        for other in self.records:
            if other.name == sandbox.name:
                raise CriError(
                    f'failed to reserve sandbox name "{sandbox.name}": '
                    f'name "{sandbox.name}" is reserved for "{other.id}"'
                )
        sysctls.check(sandbox)
        directory.mkdir(mode=0o711)
        (directory / "shm").mkdir()
        (directory / "shm").chmod(0o1777)
        if config.log_directory:
            os.close(self._files.open_or_make_directory(config.log_directory))
        self._write_files(sandbox)
        self.records.add(sandbox)
        return sandbox

    def _write_files(self, sandbox: Sandbox) -> None:
        """What containers find in /etc when the kubelet mounts nothing there."""
        hostname = sandbox.config.hostname or os.uname().nodename
        (sandbox.directory / "hostname").write_text(f"{hostname}\n")
        (sandbox.directory / "hosts").write_bytes(self._files.read("/etc/hosts"))
        dns = sandbox.config.dns_config
        lines = [f"search {' '.join(dns.searches)}"] if dns.searches else []
        lines += [f"nameserver {server}" for server in dns.servers]
        lines += [f"options {' '.join(dns.options)}"] if dns.options else []
        text = "\n".join([*lines, ""]).encode() if lines else self._files.read("/etc/resolv.conf")
        (sandbox.directory / "resolv.conf").write_bytes(text)

    async def _start(self, sandbox: Sandbox) -> None:
        pause = self._images.get(PAUSE)
        command = Command(pause.entrypoint)
        bubble.sandbox(
            command,
            self._images.rootfs(pause),
            self._images.mounts(pause),
            hostname=None if sandbox.host_network else sandbox.config.hostname or os.uname().nodename,
            network=not sandbox.host_network,
            ipc=sandbox.namespaces.ipc != cri.NODE,
            reaper=sandbox.namespaces.pid == cri.POD,
        )
        try:
            sandbox.pid = await self._launcher.start(sandbox.id, command)
        except SetUpError as failure:
            raise CriError(
                f"failed to create containerd task: failed to create shim task: {failure}: unknown"
            ) from failure
        if not sandbox.host_network:
            await self._connect(sandbox)
        await sysctls.apply(sandbox, self._network)
        self.records.save(sandbox)

    async def _connect(self, sandbox: Sandbox) -> None:
        try:
            configuration = self._network.configuration
        except NoNetworkError as failure:
            raise NetworkError(sandbox.id, failure) from failure
        sandbox.ip = self._network.allocate(
            configuration, (each.ip for each in self.records if each.networked)
        )
        sandbox.networked = True
        await self._network.attach(configuration, sandbox.id, sandbox.pid, sandbox.ip)
        if configuration.portmap:
            await self._open_ports(sandbox)

    async def _open_ports(self, sandbox: Sandbox) -> None:
        """A port that a program of the node has stays its own, as where a real node rewrites packets."""
        try:
            await self._ports.open(sandbox)
        except CriError as taken:
            log.warning("%s", taken)

    async def stop(self, sandbox: Sandbox) -> None:
        """End the pause process, and with it the namespaces. Containers are stopped before.

        Without a network configuration the last step fails, as a CNI plug-in would have to do it: the pod
        has ended, but keeps its address until there is a configuration again.
        """
        await self._end(sandbox.id, sandbox.pid)
        if sandbox.ready:
            self._ended(sandbox)
        if sandbox.networked:
            try:
                self._network.configuration  # noqa: B018 - there must be one
            except NoNetworkError as failure:
                raise CriError(
                    f'failed to destroy network for sandbox "{sandbox.id}": {failure}'
                ) from failure
            sandbox.networked = False
            self.records.save(sandbox)

    async def _end(self, name: str, pid: int) -> None:
        """Kill the pause process itself: one that has just begun would outlive its bubblewrap."""
        await self._processes.kill(name, pid)
        await self._processes.wait(name)

    async def remove(self, sandbox: Sandbox) -> None:
        """Forget a stopped sandbox."""
        await self._processes.forget(sandbox.id)
        self._evidence.sandbox("SandboxRemoved", sandbox)
        self.records.remove(sandbox)

    def exited(self, sandbox: Sandbox) -> None:
        """The pause process has ended, by whosoever's hand."""
        if sandbox.ready:
            self._ended(sandbox)

    def _ended(self, sandbox: Sandbox) -> None:
        self._ports.close(sandbox)
        self._kernel.release(sandbox)
        sandbox.ready = False
        sandbox.pid = 0
        self.records.save(sandbox)
        self._evidence.sandbox("SandboxStopped", sandbox)
