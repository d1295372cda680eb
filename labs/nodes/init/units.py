"""The node's two services, `containerd` and `kubelet`, managed as systemd manages them.

Whatever a unit file says, the programs behind the two are the project's own, run in the clean view: the
student edits flags, order and restarts, not what is trusted. Nothing of the unit's environment reaches
them (a PYTHONPATH or LD_PRELOAD is a program, too); it only fills in variables of the command line.
"""

from __future__ import annotations

import os
import time

from labs.nodes.init import unitfile
from labs.nodes.init.files import NodeFiles
from labs.nodes.init.journal import Journal
from labs.nodes.init.launch import Launcher
from labs.nodes.init.reactor import Reactor
from labs.nodes.init.service import Program, Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    #: Takes the answer to a request: {"unit": …} or {"error": …, "code": systemctl's exit status}.
    Reply = Callable[[dict[str, Any]], object]

#: The services that a node can have, and what their ExecStart= starts.
PROGRAMS = (
    Program("containerd.service", "/usr/bin/containerd", "labs.runtime", takes_flags=False),
    # the runtime's store is not the kubelet's business, and its flags are the student's
    Program("kubelet.service", "/usr/bin/kubelet", "labs.kubelet", takes_flags=True, without=("/cks",)),
)

_NOT_LOADED = 5
_UNKNOWN = 4


class UnitManager:
    """Answers what `systemctl` and the supervisor ask about units."""

    def __init__(
        self,
        reactor: Reactor,
        launcher: Launcher,
        files: NodeFiles,
        journal: Journal,
        python: list[str],
        environment: dict[str, str],
        control: Any,
    ) -> None:
        self._files = files
        self._journal = journal
        self._services = {
            program.unit: Service(program, reactor, launcher, files, journal, python, environment, control)
            for program in PROGRAMS
        }
        runtime, kubelet = self._services.values()
        kubelet.circumstances = lambda: {"CKS_RUNTIME_STARTED": "1"} if runtime.pid else {}
        self._verbs: dict[str, Callable[[Service, Reply], object]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "try-restart": self._try_restart,
            "status": lambda service, reply: reply({"unit": service.describe()}),
            "reset-failed": self._reset_failed,
        }

    def give_runtime(self, connect: Callable[[], socket.socket], evidence: int) -> None:
        """The descriptors that the container runtime alone gets, anew at each start."""
        self._services["containerd.service"].connections = lambda: {
            "CKS_MONITOR_FD": connect().detach(),
            "CKS_EVIDENCE_FD": os.dup(evidence),
        }

    def drain(self) -> None:
        """Read all that the services have written by now."""
        for service in self._services.values():
            service.drain()

    def names(self) -> list[str]:
        """Units that are installed on the node."""
        return [name for name, service in self._services.items() if service.load() is not None]

    def request(self, verb: str, name: str, reply: Reply) -> None:
        """Carry out a verb; the reply comes when the unit has arrived at the state that was asked for."""
        if verb == "daemon-reload":
            self._reload(reply)
            return
        act = self._verbs.get(verb)
        if act is None:
            reply({"error": f"Unknown command verb {verb}.", "code": 1})
            return
        name = name if name.endswith(".service") else f"{name}.service"
        service = self._services.get(name)
        file = service.load() if service is not None else None
        if service is None or (file is None and not service.busy):
            reply(_missing(verb, name))
        elif file is not None and file.masked and verb not in ("stop", "status"):
            reply({"error": f"Failed to {verb} {name}: Unit {name} is masked.", "code": 1})
        elif file is not None and file.fault and verb in ("start", "restart") and not service.busy:
            self._journal.manager(name, f"{name}: {file.fault}", 3)
            hint = f"See system logs and 'systemctl status {name}' for details."
            reply(
                {
                    "error": f"Failed to {verb} {name}: Unit {name} has a bad unit file setting.\n{hint}",
                    "code": 1,
                }
            )
        else:
            act(service, reply)

    def _start(self, service: Service, reply: Reply) -> None:
        service.start(by_hand=True)
        reply(_outcome(service))

    def _stop(self, service: Service, reply: Reply) -> None:
        service.stop(lambda: reply({"unit": service.describe()}))

    def _restart(self, service: Service, reply: Reply) -> None:
        service.stop(lambda: self._start(service, reply))

    def _try_restart(self, service: Service, reply: Reply) -> None:
        if service.busy:
            self._restart(service, reply)
        else:
            reply({"unit": service.describe()})

    def _reset_failed(self, service: Service, reply: Reply) -> None:
        service.reset()
        reply({"unit": service.describe()})

    def _reload(self, reply: Reply) -> None:
        began = time.monotonic()
        for service in self._services.values():
            service.reload()
        self._journal.manager("init.scope", "Reloading.")
        reply({"took": time.monotonic() - began})

    def stale(self, name: str) -> bool:
        """Whether the unit on the disk is not the one that was loaded."""
        service = self._services.get(name)
        file = service.file if service is not None else None
        return file is not None and unitfile.changed(self._files, file)


def _missing(verb: str, name: str) -> dict[str, Any]:
    if verb == "status":
        return {"error": f"Unit {name} could not be found.", "code": _UNKNOWN}
    known = "loaded" if verb in ("stop", "reset-failed") else "found"
    return {"error": f"Failed to {verb} {name}: Unit {name} not {known}.", "code": _NOT_LOADED}


def _outcome(service: Service) -> dict[str, Any]:
    if service.active == "failed":
        name = service.program.unit
        details = f'See "systemctl status {name}" and "journalctl -xeu {name}" for details.'
        return {"error": f"Job for {name} failed.\n{details}", "code": 1}
    return {"unit": service.describe()}
