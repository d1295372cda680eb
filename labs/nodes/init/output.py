"""What a service writes: read from its pipe, cut into lines, put into the journal."""

from __future__ import annotations

import os

from labs.nodes.init.journal import Journal, Lines
from labs.nodes.init.reactor import Reactor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Above this many unread events the supervisor is given time: what units write waits in their pipes.
_BACKLOG_MAX = 2000


class Output:
    """The pipe of one run of a service, kept until its last writer has gone."""

    def __init__(
        self,
        reactor: Reactor,
        fd: int,
        unit: str,
        identifier: str,
        pid: int,
        journal: Journal,
        control: Any,
        siblings: list[Output],
    ) -> None:
        os.set_blocking(fd, False)
        self._reactor = reactor
        self._fd = fd
        self._unit, self._identifier, self._pid = unit, identifier, pid
        self._journal = journal
        self._control = control
        self._siblings = siblings
        self._lines = Lines()
        reactor.on_readable(fd, self._readable)

    def _readable(self) -> None:
        if self._control.backlog > _BACKLOG_MAX:
            self._reactor.on_readable(self._fd, None)
            self._reactor.after(0.05, self._resume)
            return
        self._read()

    def _resume(self) -> None:
        if self in self._siblings:
            self._reactor.on_readable(self._fd, self._readable)

    def drain(self) -> None:
        """Read all that is there now, a pipe's worth at most a few times over."""
        for _ in range(32):
            if self not in self._siblings or not self._read():
                return

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return False
        for line in self._lines.feed(data) if data else self._lines.rest():
            self._journal.write(self._unit, self._identifier, self._pid, line)
        if not data:
            self._siblings.remove(self)
            self._reactor.on_readable(self._fd, None)
            os.close(self._fd)
        return bool(data)
