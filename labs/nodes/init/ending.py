"""How the main process of a service ended, in systemd's terms."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labs.nodes.init.reactor import Status

#: Signals that end a service without a fault.
_CLEAN = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}
#: Names that systemd gives exit statuses.
_STATUS_NAMES = {0: "SUCCESS", 1: "FAILURE", 2: "INVALIDARGUMENT", 203: "EXEC", 200: "CHDIR"}


class Ending:
    """How a main process ended, as `systemctl status` tells it."""

    def __init__(self, code: str, status: int) -> None:
        self.code = code
        self.status = status

    @classmethod
    def of(cls, status: Status) -> Ending:
        if os.WIFSIGNALED(status):
            return cls("killed", os.WTERMSIG(status))
        return cls("exited", os.WEXITSTATUS(status))

    @property
    def clean(self) -> bool:
        return self.status in _CLEAN if self.code == "killed" else self.status == 0

    @property
    def result(self) -> str:
        if self.clean:
            return "success"
        return "signal" if self.code == "killed" else "exit-code"

    def __str__(self) -> str:
        if self.code == "killed":
            name = signal.Signals(self.status).name.removeprefix("SIG")
        else:
            name = _STATUS_NAMES.get(self.status, "n/a")
        return f"code={self.code}, status={self.status}/{name}"
