"""Commands in a running container: `ExecSync`, for probes and scripts, and the door for `crictl exec`.

ExecSync collects what the command prints. A person at a terminal needs more (an input, a live output, a
window); CRI serves that by HTTP streaming, which this runtime does not speak yet. Until then the bundled
crictl hands its own terminal or files over a Unix socket: see `labs.runtime.terminal`.
"""

import asyncio
import os
import secrets
import signal
from collections.abc import Sequence

from labs.runtime import capabilities
from labs.runtime.errors import CriError, TimedOutError
from labs.runtime.monitor import Execution, Monitor, MonitorError
from labs.runtime.records import Container

#: containerd keeps no more than this of each stream.
OUTPUT_MAX = 16 * 1024 * 1024

#: After the command has ended, children that it left behind may hold its output open: so long we wait.
_DRAIN_SECONDS = 1.0


class Executions:
    """Runs commands in containers."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    async def start(
        self,
        container: Container,
        command: Sequence[str],
        fds: Sequence[int],
        tty: dict[str, int] | None = None,
    ) -> Execution:
        """Start `command` with `fds` as its stdin, stdout and stderr, or on a new terminal."""
        if not container.running:
            raise CriError(
                "failed to exec in container: failed to load task: "
                f"no running task found: task {container.id} not found: not found"
            )
        if not command:
            raise CriError("failed to exec in container: command cannot be empty")
        environment = dict(container.environment)
        if tty is not None:
            environment["TERM"] = "xterm"
        directory = container.config.working_dir or "/"
        try:
            return await self._monitor.exec(
                container.pid,
                command,
                fds,
                env=environment,
                cwd=directory,
                tty=tty,
                below=container.evidence,
                user=container.user,
                capabilities=capabilities.of_user(container.config.linux.security_context, container.user[0]),
            )
        except MonitorError as refused:
            raise CriError(
                f'failed to exec in container: failed to start exec "{secrets.token_hex(32)}": '
                "OCI runtime exec failed: exec failed: "
                f"unable to start container process: {refused}: unknown"
            ) from refused

    async def run(
        self, container: Container, command: Sequence[str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        """Exit code, stdout and stderr of `command`.

        After `timeout` seconds, 0 for never, it is killed, and `TimedOutError` raised.
        """
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        outputs = [Output(), Output()]
        try:
            try:
                execution = await self.start(container, command, [null, *(output.end for output in outputs)])
            finally:
                os.close(null)
                for output in outputs:
                    os.close(output.end)
            for output in outputs:
                await output.listen()
            try:
                code = await self._wait(container, execution, timeout)
            except TimedOutError:
                await _drained(outputs)  # what was killed beside the command itself is gone, too
                raise
            await _drained(outputs)
            return code, bytes(outputs[0].data), bytes(outputs[1].data)
        finally:
            for output in outputs:
                output.close()

    async def _wait(self, container: Container, execution: Execution, timeout: float) -> int:
        try:
            return await asyncio.wait_for(asyncio.shield(execution.exit), timeout or None)
        except TimeoutError:
            await self.signal(container, execution, signal.SIGKILL)
            await execution.exit
            raise TimedOutError(
                f"failed to exec in container: timeout {timeout:g}s exceeded: context deadline exceeded"
            ) from None

    async def signal(self, container: Container, execution: Execution, number: int) -> None:
        """Send a signal to a command and what it started (it leads a session, hence a process group)."""
        try:
            await self._monitor.signal(container.id, number, -execution.pid)
        except MonitorError:  # it has just ended
            return


class Output(asyncio.Protocol):
    """A pipe that a command writes to, and what came out of it. Beyond the limit it is read and dropped."""

    def __init__(self) -> None:
        read_end, self.end = os.pipe2(os.O_CLOEXEC)
        self.data = bytearray()
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pipe = os.fdopen(read_end, "rb", buffering=0)
        self._transport: asyncio.ReadTransport | None = None

    async def listen(self) -> None:
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: self, self._pipe)

    def data_received(self, data: bytes) -> None:
        self.data += data[: max(0, OUTPUT_MAX - len(self.data))]

    def connection_lost(self, _: Exception | None) -> None:
        if not self.complete.done():
            self.complete.set_result(None)

    def close(self) -> None:
        """Let go of the pipe, also while somebody may still write to it."""
        if self._transport is not None:
            self._transport.close()
        else:
            self._pipe.close()


async def _drained(outputs: Sequence[Output]) -> None:
    """All who could write have ended, or do not."""
    await asyncio.wait([output.complete for output in outputs], timeout=_DRAIN_SECONDS)
