"""One service: from start through crashes and restarts to stop, in systemd's states and systemd's words."""

from __future__ import annotations

import os
import signal
import time

from labs.nodes.init import unitfile
from labs.nodes.init.channel import close_all
from labs.nodes.init.ending import Ending
from labs.nodes.init.files import NodeFiles
from labs.nodes.init.journal import ERROR, NOTICE, WARNING, Journal
from labs.nodes.init.launch import Launch, Launcher, Started
from labs.nodes.init.output import Output
from labs.nodes.init.reactor import Reactor, Status, Timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

BOOT = "/opt/cks-labs/src/labs/nodes/boot.py"

#: systemd's defaults.
_RESTART_SECONDS, _STOP_SECONDS = 0.1, 90.0
_LIMIT_INTERVAL, _LIMIT_BURST = 10.0, 5

_CANNOT_EXECUTE = 203


class Program:
    """What stands behind a unit."""

    def __init__(
        self, unit: str, path: str, module: str, *, takes_flags: bool, without: tuple[str, ...] = ()
    ) -> None:
        self.unit = unit
        self.path = path
        self.module = module
        self.takes_flags = takes_flags
        self.without = without


class Service:
    """A unit's life. `active` and `sub` are systemd's states."""

    def __init__(
        self,
        program: Program,
        reactor: Reactor,
        launcher: Launcher,
        files: NodeFiles,
        journal: Journal,
        python: list[str],
        environment: dict[str, str],
        control: Any,
    ) -> None:
        self.program = program
        self.file: unitfile.UnitFile | None = None
        self.active = "inactive"
        self.sub = "dead"
        self.result = "success"
        self.since = 0
        self.pid = 0
        self.last_pid = 0
        self.command: list[str] = []
        self.ending: Ending | None = None
        self.restarts = 0
        #: Makes the descriptors that this service gets, by the variable that names each.
        self.connections: Callable[[], dict[str, int]] = dict
        #: What else this service finds in its environment, asked for at each start.
        self.circumstances: Callable[[], dict[str, str]] = dict
        self._reactor = reactor
        self._launcher = launcher
        self._files = files
        self._journal = journal
        self._python = python
        self._environment = environment
        self._control = control
        self._outputs: list[Output] = []
        self._timer: Timer | None = None
        self._starts: list[float] = []
        self._when_stopped: list[Callable[[], object]] = []

    @property
    def busy(self) -> bool:
        """Running, or about to."""
        return self.active in ("active", "activating", "deactivating")

    @property
    def title(self) -> str:
        description = self.file.description if self.file is not None else self.program.unit
        return f"{self.program.unit} - {description}"

    def load(self) -> unitfile.UnitFile | None:
        """The unit's file as it was first read; only `reload` looks at the disk again."""
        if self.file is None:
            self.file = unitfile.load(self._files, self.program.unit)
        return self.file

    def reload(self) -> None:
        self.file = unitfile.load(self._files, self.program.unit)

    def reset(self) -> None:
        """Forget failures."""
        self._starts.clear()
        if self.active == "failed":
            self._enter("inactive", "dead")

    def drain(self) -> None:
        for output in list(self._outputs):
            output.drain()

    def start(self, *, by_hand: bool = False) -> None:
        if self.pid or self.active == "deactivating":
            return
        self._cancel_timer()
        if by_hand:
            self.restarts = 0
        file = self.load()
        if file is None or file.fault or file.masked:
            self._fail("resources")
            return
        if self._too_often(file):
            self._log(f"{self.program.unit}: Start request repeated too quickly.", WARNING)
            self._fail(self.result if self.result != "success" else "start-limit-hit")
            return
        self._spawn(file)

    def stop(self, then: Callable[[], object]) -> None:
        """End the service, politely at first; `then` is called when it has ended."""
        if self.active == "activating" and not self.pid:
            self._cancel_timer()
            self._log(f"Stopped {self.title}.")
            self._enter("inactive", "dead")
        if not self.pid:
            then()
            return
        self._when_stopped.append(then)
        if self.active == "deactivating":
            return
        self._log(f"Stopping {self.title}...")
        self._enter("deactivating", "stop-sigterm")
        self._signal(signal.SIGTERM)
        patience = (
            self.file.seconds("Service", "TimeoutStopSec", _STOP_SECONDS) if self.file else _STOP_SECONDS
        )
        if patience != float("inf"):
            self._timer = self._reactor.after(patience, self._kill)

    def describe(self) -> dict[str, Any]:
        file = self.file
        load = (
            "not-found"
            if file is None
            else "masked"
            if file.masked
            else "bad-setting"
            if file.fault
            else "loaded"
        )
        ending = self.ending
        return {
            "name": self.program.unit,
            "description": file.description if file else self.program.unit,
            "load": load,
            "path": file.path if file else "",
            "dropins": file.dropins if file else [],
            "documentation": file.values("Unit", "Documentation") if file else [],
            "stale": file is not None and unitfile.changed(self._files, file),
            "fault": file.fault if file else None,
            "active": self.active,
            "sub": self.sub,
            "result": self.result,
            "since": self.since,
            "pid": self.pid,
            "last_pid": self.last_pid,
            "exec": file.value("Service", "ExecStart") if file else "",
            "restart": file.value("Service", "Restart", "no") if file else "no",
            "command": self.command,
            "restarts": self.restarts,
            "ending": None
            if ending is None
            else {"text": str(ending), "code": ending.code, "status": ending.status},
            **(_usage(self.pid) if self.pid else {}),
        }

    def _spawn(self, file: unitfile.UnitFile) -> None:
        try:
            self.command, unset = unitfile.expand(
                file.value("Service", "ExecStart"), file.environment(self._files)
            )
        except OSError as failure:
            self._log(f"{self.program.unit}: Failed to load environment files: {failure.strerror}", WARNING)
            self._log(f"{self.program.unit}: Failed to run 'start' task: {failure.strerror}", WARNING)
            self._fail("resources")
            return
        for name in unset:
            complaint = "Referenced but unset environment variable evaluates to an empty string"
            self._log(f"{self.program.unit}: {complaint}: {name}", WARNING)
        if not self.command or self.command[0] != self.program.path:
            self._refuse(self.command[0] if self.command else "")
            return
        flags = self.command[1:] if self.program.takes_flags else []
        launch = Launch([*self._python, BOOT, self.program.module, *flags], dict(self._environment))
        launch.without = list(self.program.without)
        launch.env["CKS_PROGRAM"] = self.program.path
        launch.env |= self.circumstances()
        for variable, fd in self.connections().items():
            launch.env[variable] = str(10 + len(launch.extra))
            launch.extra.append(fd)
        reader, writer = os.pipe2(os.O_CLOEXEC)
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        launch.stdio = [null, writer, writer]
        try:
            self.pid = self._launcher.start(launch, self._started, self._ended)
        except OSError as failure:  # there are too many processes, or too little memory
            os.close(reader)
            self._log(f"{self.program.unit}: Failed to spawn 'start' task: {failure.strerror}", WARNING)
            self._fail("resources")
            return
        finally:
            close_all([null, writer, *(given for given in launch.extra if given is not None)])
        identifier = self.program.path.rpartition("/")[2]
        self._outputs.append(
            Output(
                self._reactor,
                reader,
                self.program.unit,
                identifier,
                self.pid,
                self._journal,
                self._control,
                self._outputs,
            )
        )
        self.ending = None
        self.result = "success"
        self._enter("active", "running")
        self._log(f"Started {self.title}.")

    def _started(self, outcome: Started) -> None:
        if outcome.error is not None:  # the clean view lacks its own interpreter
            self._log(
                f"{self.program.unit}: Failed at step EXEC spawning {self.program.path}: {outcome.error}",
                ERROR,
            )
            self._ended(_CANNOT_EXECUTE << 8)

    def _refuse(self, path: str) -> None:
        """ExecStart= names a program that this node does not have."""
        name, unit = path.rpartition("/")[2] or "?", self.program.unit
        reason = "No such file or directory"
        self._log(f"{unit}: Failed to locate executable {path}: {reason}", ERROR)
        self._log(f"{unit}: Failed at step EXEC spawning {path}: {reason}", ERROR)
        self._log(f"Started {self.title}.")
        self._log(
            f"{unit}: the programs of this node are {self.program.path} and its flags; found {name}", NOTICE
        )
        self._ended(_CANNOT_EXECUTE << 8)

    def _ended(self, status: Status) -> None:
        self.drain()
        self.last_pid, self.pid = self.pid, 0
        self._cancel_timer()
        ending = self.ending = Ending.of(status)
        unit = self.program.unit
        stopping = self.active == "deactivating"
        if not ending.clean:
            self._log(f"{unit}: Main process exited, {ending}", NOTICE)
        self.result = ending.result if self.sub != "stop-sigkill" else "timeout"
        if self.result == "success":
            self._log(f"{unit}: Deactivated successfully.")
        else:
            self._log(f"{unit}: Failed with result '{self.result}'.", WARNING)
        if stopping:
            self._log(f"Stopped {self.title}.")
        if not stopping and self._restarts_after(ending):
            self._enter("activating", "auto-restart")
            delay = (
                self.file.seconds("Service", "RestartSec", _RESTART_SECONDS)
                if self.file
                else _RESTART_SECONDS
            )
            if delay != float("inf"):
                self._timer = self._reactor.after(delay, self._restart)
        else:
            self._enter(*(("inactive", "dead") if self.result == "success" else ("failed", "failed")))
        waiting, self._when_stopped = self._when_stopped, []
        for then in waiting:
            then()

    def _restart(self) -> None:
        self.restarts += 1
        self._log(f"{self.program.unit}: Scheduled restart job, restart counter is at {self.restarts}.")
        self._log(f"Stopped {self.title}.")
        self.start()

    def _restarts_after(self, ending: Ending) -> bool:
        policy = self.file.value("Service", "Restart", "no") if self.file else "no"
        if policy == "always":
            return True
        if policy == "on-success":
            return ending.clean
        if policy == "on-failure":
            return not ending.clean
        return policy in ("on-abnormal", "on-abort") and ending.code == "killed" and not ending.clean

    def _too_often(self, file: unitfile.UnitFile) -> bool:
        """StartLimitIntervalSec= and StartLimitBurst=, under their older names, too."""
        interval = _LIMIT_INTERVAL
        for section, key in (
            ("Service", "StartLimitInterval"),
            ("Unit", "StartLimitInterval"),
            ("Unit", "StartLimitIntervalSec"),
        ):
            interval = file.seconds(section, key, interval)
        burst = file.seconds(
            "Unit", "StartLimitBurst", file.seconds("Service", "StartLimitBurst", _LIMIT_BURST)
        )
        now = time.monotonic()
        self._starts = [start for start in self._starts if now - start < interval]
        if len(self._starts) >= burst and interval > 0:
            return True
        self._starts.append(now)
        return False

    def _kill(self) -> None:
        self._log(f"{self.program.unit}: State 'stop-sigterm' timed out. Killing.", WARNING)
        name = self.program.path.rpartition("/")[2]
        self._log(f"{self.program.unit}: Killing process {self.pid} ({name}) with signal SIGKILL.", NOTICE)
        self._enter("deactivating", "stop-sigkill")
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:  # not reaped yet: its end is about to be told
            return

    def _fail(self, result: str) -> None:
        self.result = result
        self._log(f"{self.program.unit}: Failed with result '{result}'.", WARNING)
        self._log(f"Failed to start {self.title}.", ERROR)
        self._enter("failed", "failed")

    def _enter(self, active: str, sub: str) -> None:
        self.active, self.sub = active, sub
        self.since = time.time_ns()
        self._control.send(
            {
                "event": "unit",
                "unit": self.program.unit,
                "state": active,
                "exit": None if self.ending is None or active == "active" else self.ending.status,
            }
        )

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _log(self, message: str, priority: int = 6) -> None:
        self._journal.manager(self.program.unit, message, priority)


def _usage(pid: int) -> dict[str, int]:
    """Threads, memory and processor time of a running process, as a cgroup would have counted them."""
    try:
        with open(f"/proc/{pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file)
        with open(f"/proc/{pid}/stat") as file:
            times = file.read().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return {}
    ticks = int(times[11]) + int(times[12])
    return {
        "tasks": int(fields["Threads"]),
        "memory": int(fields["VmRSS"].split()[0]) * 1024,
        "cpu": ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK"),
    }
