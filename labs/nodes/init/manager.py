"""The socket of `systemctl`: one JSON request a line, one JSON answer a line.

Anyone who is root on the node may connect, so nothing is believed: requests are short, unread answers
are dropped with their connection, and only so many connections are held.
"""

from __future__ import annotations

import json
import os
import socket

from labs.nodes.init.reactor import Reactor
from labs.nodes.init.requests import BadRequest, text
from labs.nodes.init.units import UnitManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CLIENTS_MAX = 32
_REQUEST_MAX = 16 * 1024


class ManagerSocket:
    """Listens where systemd's private socket is."""

    def __init__(self, reactor: Reactor, units: UnitManager, path: str) -> None:
        self._reactor = reactor
        self._units = units
        self._clients: set[_Client] = set()
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(path)
        os.chmod(path, 0o600)
        self._listener.listen(16)
        reactor.on_readable(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # it went away again, or there are no descriptors left for it
            return
        if len(self._clients) >= _CLIENTS_MAX:
            sock.close()
            return
        self._clients.add(_Client(self._reactor, sock, self._units, self._clients))


class _Client:
    def __init__(
        self, reactor: Reactor, sock: socket.socket, units: UnitManager, clients: set[_Client]
    ) -> None:
        sock.setblocking(False)
        self._reactor = reactor
        self._sock = sock
        self._units = units
        self._clients = clients
        self._rest = b""
        reactor.on_readable(sock.fileno(), self._receive)

    def _receive(self) -> None:
        try:
            data = self._sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._rest += data
        if not data or len(self._rest) > _REQUEST_MAX:
            self._close()
            return
        *requests, self._rest = self._rest.split(b"\n")
        for request in requests:
            self._handle(request)

    def _handle(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise BadRequest("a request is one JSON object")
            verb = text(request, "verb")
            if verb == "list":
                self._answer({"units": self._units.names()})
            else:
                self._units.request(verb, text(request, "unit", ""), self._answer)
        except (ValueError, BadRequest) as malformed:
            self._answer({"error": str(malformed), "code": 1})

    def _answer(self, message: dict[str, Any]) -> None:
        if self not in self._clients:  # it did not wait
            return
        try:
            self._sock.send(json.dumps(message).encode() + b"\n")
        except OSError:
            self._close()

    def _close(self) -> None:
        if self in self._clients:
            self._clients.discard(self)
            self._reactor.on_readable(self._sock.fileno(), None)
            self._sock.close()
