"""A pod's sandbox: a pause process in namespaces of its own, which the pod's containers join."""

import os
import secrets
import time
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime import bubble
from labs.runtime.errors import CriError
from labs.runtime.evidence import Evidence
from labs.runtime.images import ImageStore
from labs.runtime.launcher import Command, Launcher, SetUpError
from labs.runtime.network import PodNetwork
from labs.runtime.nodefs import NodeFiles
from labs.runtime.processes import Processes
from labs.runtime.records import Records, Sandbox

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
        evidence: Evidence,
    ) -> None:
        self.records = records
        self._launcher = launcher
        self._processes = processes
        self._images = images
        self._network = network
        self._files = files
        self._evidence = evidence

    def adopt(self) -> None:
        """After a start: which sandboxes are still alive?"""
        self.records.load()
        for sandbox in self.records:
            process = self._processes.find(sandbox.id)
            if sandbox.ready and (process is None or not process.running):
                self._ended(sandbox)

    async def run(self, config: Any, handler: str) -> Sandbox:
        """Make and start a sandbox; all or nothing."""
        sandbox = self._new(config, handler)
        try:
            await self._start(sandbox)
        except BaseException:
            await self._processes.kill(sandbox.id)
            await self._processes.forget(sandbox.id)
            self.records.remove(sandbox)
            raise
        self._evidence.sandbox("SandboxCreated", sandbox)
        return sandbox

    def _new(self, config: Any, handler: str) -> Sandbox:
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
        directory.mkdir(mode=0o711)
        (directory / "shm").mkdir()
        (directory / "shm").chmod(0o1777)
        if config.log_directory:
            os.close(self._files.open_or_make_directory(config.log_directory))
        self._write_files(sandbox)
        if not sandbox.host_network:
            sandbox.ip = self._network.allocate(each.ip for each in self.records if each.ready)
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
        if sandbox.ip:
            await self._network.attach(sandbox.id, sandbox.pid, sandbox.ip)
        self.records.save(sandbox)

    async def stop(self, sandbox: Sandbox) -> None:
        """End the pause process, and with it the namespaces. Containers are stopped before."""
        await self._processes.kill(sandbox.id)
        await self._processes.wait(sandbox.id)
        if sandbox.ready:
            self._ended(sandbox)

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
        sandbox.ready = False
        sandbox.pid = 0
        self.records.save(sandbox)
        self._evidence.sandbox("SandboxStopped", sandbox)
