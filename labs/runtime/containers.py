"""Containers: made from an image and a ContainerConfig, started in a sandbox, stopped, and remembered."""

import os
import shutil
import signal
import time
from typing import Any

from cri_api.v1 import api_pb2 as cri

from labs.runtime.assembly import Assembly, argv_of, environment_of
from labs.runtime.errors import CriError, InvalidArgumentError
from labs.runtime.evidence import Evidence
from labs.runtime.images import ImageStore
from labs.runtime.kernelfs import KernelFiles
from labs.runtime.launcher import Launcher, Log, SetUpError, only_child
from labs.runtime.memory import MemoryWatch
from labs.runtime.nodefs import NodeFiles
from labs.runtime.processes import Processes
from labs.runtime.records import Container, Records, Sandbox, state_name
from labs.runtime.sandboxes import new_id

#: How a container ends that the runtime lost sight of (the node was restarted).
LOST = 255


class Containers:
    """All containers of the node."""

    def __init__(
        self,
        records: Records[Container],
        sandboxes: Records[Sandbox],
        launcher: Launcher,
        processes: Processes,
        images: ImageStore,
        files: NodeFiles,
        kernel: KernelFiles,
        evidence: Evidence,
        *,
        overlay: bool,
    ) -> None:
        self.records = records
        self._sandboxes = sandboxes
        self._launcher = launcher
        self._processes = processes
        self._images = images
        self._files = files
        self._kernel = kernel
        self._evidence = evidence
        self._overlay = overlay
        self.memory = MemoryWatch(records, lambda container: processes.kill(container.id, container.pid))

    def adopt(self) -> None:
        """After a start: which containers are still alive, and how did the others end?"""
        self.records.load()
        for container in self.records:
            process = self._processes.find(container.id)
            if container.state == cri.CONTAINER_EXITED or (process is None and not container.started_at):
                continue
            if process is None:
                self._ended(container, LOST, time.time_ns(), "Unknown")
            elif process.exit is not None:
                self._ended(container, process.exit, process.finished)
            elif not container.started_at:  # killed between its start and the note about it
                container.started_at = process.started
                container.pid = only_child(process.pid)
                self.records.save(container)
                self._evidence.container(
                    "ContainerStarted", container, self._sandboxes.find(container.sandbox_id)
                )
            self.memory.started(container)

    def create(self, sandbox: Sandbox, config: Any, sandbox_config: Any) -> Container:
        """Note a container and lay out its files; nothing runs yet."""
        if not config.metadata.name:
            raise InvalidArgumentError("container config must include metadata")
        self._check_name(sandbox, config)
        image = self._images.get(config.image.image)
        container = Container(
            new_id(),
            config,
            directory=self.records.directory_of("new"),
            sandbox_id=sandbox.id,
            image_name=image.names[0],
            image_id=image.id,
            created_at=time.time_ns(),
        )
        container.directory = self.records.directory_of(container.id)
        container.argv = argv_of(image, config)
        container.environment = environment_of(image, sandbox, config)
        if config.log_path:
            directory = sandbox.config.log_directory or sandbox_config.log_directory
            container.log_path = f"{directory}/{config.log_path}"
            os.close(self._files.open_or_make_directory(container.log_path.rpartition("/")[0]))
        assembly = self._assembly(sandbox, container)
        assembly.check()
        container.user = [assembly.user.uid, assembly.user.gid, *assembly.user.groups]
        container.directory.mkdir(mode=0o711)
        self._lay_out(container)
        self.records.add(container)
        self._evidence.container("ContainerCreated", container, sandbox)
        return container

    def _assembly(self, sandbox: Sandbox, container: Container) -> Assembly:
        return Assembly(self._images, self._files, self._kernel, sandbox, container)

    def _lay_out(self, container: Container) -> None:
        """The layer that the container writes to; where overlays are refused, a copy of the image."""
        if self._overlay:
            (container.directory / "upper").mkdir(mode=0o755)
            (container.directory / "work").mkdir()
        else:
            rootfs = self._images.rootfs(self._images.get(container.image_id))
            shutil.copytree(rootfs, container.directory / "upper", symlinks=True)

    def _check_name(self, sandbox: Sandbox, config: Any) -> None:
        for other in self.records:
            if other.sandbox_id == sandbox.id and other.config.metadata == config.metadata:
                name = f"{config.metadata.name}_{sandbox.name.rpartition('_')[0]}_{config.metadata.attempt}"
                raise CriError(
                    f'failed to reserve container name "{name}": name "{name}" is reserved for "{other.id}"'
                )

    async def start(self, container: Container) -> None:
        """Run a created container; when that fails it has exited with 128, as under containerd."""
        if container.state != cri.CONTAINER_CREATED:
            state = state_name(container.state)
            raise CriError(
                f'failed to set starting state for container "{container.id}": container is in {state} state'
            )
        sandbox = self._sandboxes.get(container.sandbox_id)
        if not sandbox.ready:
            raise CriError(f'sandbox container "{sandbox.id}" is not running')
        try:
            await self._start(sandbox, container)
        except CriError as failure:
            container.started_at = time.time_ns()
            container.message = str(failure)
            self._ended(container, 128, container.started_at, "StartError")
            raise

    async def _start(self, sandbox: Sandbox, container: Container) -> None:
        assembly = self._assembly(sandbox, container)
        command = await assembly.command(overlay=self._overlay, evidence=self._evidence.fd)
        container.evidence = assembly.trusted
        log = Log(container.log_path, container.config.stdin, container.config.tty)
        try:
            container.pid = await self._launcher.start(container.id, command, log)
        except SetUpError as failure:
            await self._processes.wait(container.id, 5)
            await self._processes.forget(container.id)
            raise CriError(
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
                f"{failure}{self._last_line(container)}: unknown"
            ) from failure
        container.started_at = time.time_ns()
        self.records.save(container)
        self._evidence.container("ContainerStarted", container, sandbox)
        self.memory.started(container)
        if self._processes.ended(container.id):  # faster than our note of its start
            self.exited(container, *self._processes.end_of(container.id))

    def _last_line(self, container: Container) -> str:
        """bubblewrap's reason is the last thing in the container's log."""
        lines = (
            self._files.read(container.log_path).decode("utf-8", "replace").splitlines()
            if container.log_path
            else []
        )
        return f": {lines[-1].split(' ', 3)[-1]}" if lines else ""

    async def stop(self, container: Container, grace: float) -> None:
        """TERM (or what the image asks for), `grace` seconds, KILL; returns when it has ended."""
        if not container.running:
            return
        if grace > 0:
            await self._processes.signal(container.id, self._stop_signal(container), container.pid)
            if await self._processes.wait(container.id, grace):
                return
        await self._processes.kill(container.id, container.pid)
        await self._processes.wait(container.id)
        if container.running:
            self._ended(container, LOST, time.time_ns(), "Unknown")

    def _stop_signal(self, container: Container) -> int:
        image = self._images.find(container.image_id)
        return signal.Signals[image.stop_signal] if image else signal.SIGTERM

    async def remove(self, container: Container) -> None:
        """Forget a container; a running one is killed first."""
        await self.stop(container, 0)
        await self._processes.forget(container.id)
        self._evidence.container("ContainerRemoved", container, self._sandboxes.find(container.sandbox_id))
        self.records.remove(container)

    def exited(self, container: Container, code: int, finished: int) -> None:
        """Its process has ended."""
        if container.running:
            self._ended(container, code, finished)

    def _ended(self, container: Container, code: int, finished: int, reason: str = "") -> None:
        container.finished_at = finished
        container.exit_code = code
        container.reason = reason or ("Completed" if code == 0 else "Error")
        if container.out_of_memory:
            container.reason = "OOMKilled"
        container.pid = 0
        self.records.save(container)
        self._evidence.container("ContainerExited", container, self._sandboxes.find(container.sandbox_id))
