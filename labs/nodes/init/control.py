"""What the supervisor asks of a node: run a command, send it a signal, start and stop units.

The socket is inherited; whoever has its other end owns the node, so it never reaches the student.
"""

from __future__ import annotations

import os
import signal
import socket

from labs.nodes.init.channel import Channel, close_all
from labs.nodes.init.launch import Launch, Launcher, Started
from labs.nodes.init.reactor import Reactor, Status, exit_code
from labs.nodes.init.requests import BadRequest, environment, number, text, texts, window
from labs.nodes.init.units import UnitManager
from labs.nodes.init.views import Views

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Ends all of a session, whatever process groups its shell has made.
_ENDING = {signal.SIGHUP, signal.SIGTERM, signal.SIGKILL}


class Surroundings:
    """Environment and working directory that a view's programs start with."""

    def __init__(self, message: dict[str, Any], inherited: dict[str, str]) -> None:
        self.env = {**inherited, **environment(message)}
        self.cwd = text(message, "cwd", "/")


class Control:
    """Serves the supervisor once the node is booted."""

    def __init__(
        self, reactor: Reactor, launcher: Launcher, views: Views, student: Surroundings, trusted: Surroundings
    ) -> None:
        self._reactor = reactor
        self._launcher = launcher
        self._views = views
        self._surroundings = {"student": student, "trusted": trusted}
        self._channel: Channel | None = None
        self._units: UnitManager | None = None
        #: Sessions by the id of their request.
        self._sessions: dict[int, int] = {}
        self._requests = {
            "exec": self._exec,
            "signal": self._signal,
            "unit": self._unit,
            "sync": self._sync,
        }

    def serve(self, sock: socket.socket, units: UnitManager) -> None:
        """Take requests from now on. Without a supervisor there is no node: its end is ours."""
        self._units = units
        self._channel = Channel(self._reactor, sock, self._receive, self._reactor.stop)
        self.send({"event": "ready"})

    def send(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        if self._channel is None or self._channel.closed:
            close_all(fds or [])
            return
        self._channel.send(message, fds)

    @property
    def backlog(self) -> int:
        return self._channel.backlog if self._channel is not None else 0

    def _receive(self, message: dict[str, Any], fds: list[int]) -> None:
        request = self._requests.get(str(message.get("op")))
        try:
            if request is None:
                raise BadRequest(f"unknown op {message.get('op')!r}")
            request(message, fds)
        except (BadRequest, OSError) as failure:
            self.send({"id": message.get("id"), "error": str(failure)})
        finally:
            close_all(fds)

    def _exec(self, message: dict[str, Any], fds: list[int]) -> None:
        request, size = number(message, "id"), window(message)
        if size is None and len(fds) != 3:
            raise BadRequest("exec: three descriptors, or a tty, are needed")
        view = text(message, "view", "student")
        if view not in self._surroundings:
            raise BadRequest(f"there is no view {view!r}")
        surroundings = self._surroundings[view]
        env = {**surroundings.env, **environment(message)}
        if size is not None and isinstance(message["tty"], dict):
            env["TERM"] = text(message["tty"], "term", env.get("TERM", "linux"))
        launch = Launch(texts(message, "argv"), env, text(message, "cwd", surroundings.cwd))
        launch.like_a_shell = True
        launch.terminal = size
        launch.stdio = [] if size else fds
        launch.join = self._views.student if view == "student" else []

        def started(outcome: Started) -> None:
            if outcome.error is not None:
                self._sessions.pop(request, None)
                self.send({"id": request, "error": outcome.error})
            else:
                master = [outcome.master] if outcome.master is not None else None
                self.send({"id": request, "pid": outcome.pid}, master)

        def ended(status: Status) -> None:
            self._sessions.pop(request, None)
            self.send({"id": request, "exit": exit_code(status)})

        self._sessions[request] = self._launcher.start(launch, started, ended)

    def _signal(self, message: dict[str, Any], _: list[int]) -> None:
        """Signal a command: its process group, or for the signals that end a session all of that."""
        session, wanted = self._sessions.get(number(message, "id")), number(message, "signal")
        if session is None:  # it has just ended: its exit is on the way
            return
        if wanted in _ENDING:
            for pid in _members(session):
                _kill(pid, wanted)
        else:
            _kill(-session, wanted)

    def _unit(self, message: dict[str, Any], _: list[int]) -> None:
        assert self._units is not None
        answer = {"id": message.get("id")}
        self._units.request(
            text(message, "verb"), text(message, "unit"), lambda result: self.send({**answer, **result})
        )

    def _sync(self, message: dict[str, Any], _: list[int]) -> None:
        """Answered after everything that units had written by now."""
        assert self._units is not None
        self._units.drain()
        self.send({"id": message.get("id")})


def _members(session: int) -> list[int]:
    """The processes of a session, its leader first."""
    members = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getsid(int(name)) == session:
                    members.append(int(name))
            except ProcessLookupError:  # it ended meanwhile
                continue
    return sorted(members, key=lambda pid: pid != session)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it has ended, which is what was wanted
        return
