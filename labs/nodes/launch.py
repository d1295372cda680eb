"""Starting and stopping the supervisor that owns the processes of a cluster (`labs.nodes.supervisor`)."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from labs.errors import LabsError
from labs.nodes import boot, removal
from labs.nodes.client import Client

#: What a starting supervisor's stages mean to the person who waits.
STAGES = {
    "preparing": "preparing the node",
    "node-up": "starting the node",
    "units-started": "starting containerd and the kubelet",
}
#: How long a supervisor may take to end everything it owns.
STOP_SECONDS = 15.0

#: The supervisors this process started, so that it reaps them when they end.
_started: dict[Path, subprocess.Popen[bytes]] = {}


class SupervisorFailedError(LabsError):
    """The supervisor ended before its cluster was up."""


def start(name: str, directory: Path, *, bare: bool, progress: Callable[[str], None]) -> None:
    """Start the supervisor of cluster `name` and return when its node and units are started.

    The supervisor outlives this process. When the wait is interrupted, it stops with all it started.
    """
    reader, writer = os.pipe()
    command = [sys.executable, "-P", boot.__file__, "labs.nodes.supervisor"]
    command += ["--name", name, "--directory", str(directory), "--progress-fd", str(writer)]
    with contextlib.ExitStack() as cleanup:
        lines = cleanup.enter_context(os.fdopen(reader, "r"))
        log = cleanup.enter_context((directory / "supervisor.log").open("ab"))
        process = subprocess.Popen(
            command + (["--bare"] if bare else []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=[writer],
            start_new_session=True,
        )
        _started[directory] = process
        os.close(writer)
        try:
            progress("starting")
            _wait_until_started(lines, directory, progress)
        except BaseException:
            lines.close()  # tells the supervisor to stop
            # it may have told that it is ready, and listen no more
            if removal.running(directory) == process.pid:
                _stop_process(process.pid, directory)
            process.wait()
            raise


def stop(directory: Path) -> None:
    """Stop the cluster whose state is in `directory`; return when none of its processes is left."""
    pid = removal.running(directory)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            _stop_process(pid, directory)
    if (process := _started.pop(directory, None)) is not None:
        process.wait()


def _wait_until_started(lines: Iterator[str], directory: Path, progress: Callable[[str], None]) -> None:
    for line in lines:
        report = json.loads(line)
        if "error" in report:
            raise SupervisorFailedError(report["error"])
        if report.get("ready"):
            return
        progress(STAGES.get(report["stage"], report["stage"]))
    last = (directory / "supervisor.log").read_text(errors="replace").strip().rpartition("\n")[
        2
    ] or "it left no message"
    raise SupervisorFailedError(f"the cluster's supervisor ended while starting: {last}")


def _stop_process(pid: int, directory: Path) -> None:
    """Ask the supervisor to end, first by its socket, then by ever stronger signals."""
    with contextlib.closing(_PidFd(pid)) as process:
        with contextlib.suppress(LabsError):
            Client(directory / "judge.sock").call("down")
        for strength in (signal.SIGTERM, signal.SIGKILL):
            if process.ended(STOP_SECONDS):
                return
            process.send(strength)
        process.ended(STOP_SECONDS)


class _PidFd:
    """A process that is meant even when its pid has been given to another."""

    def __init__(self, pid: int) -> None:
        self._fd = os.pidfd_open(pid)

    def ended(self, timeout: float) -> bool:
        """Whether the process ended, at the latest `timeout` seconds from now."""
        return bool(select.select([self._fd], [], [], timeout)[0])

    def send(self, number: int) -> None:
        signal.pidfd_send_signal(self._fd, number)

    def close(self) -> None:
        os.close(self._fd)
