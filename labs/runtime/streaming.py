"""Exec, Attach and PortForward: each answers with a URL, and whoever comes there is connected.

The server listens on the node's localhost from the first such call on. A URL is good for one connection
within a minute.
"""

import asyncio
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from labs.errors import LabsError
from labs.runtime.errors import CriError, InvalidArgumentError
from labs.runtime.records import Container, Records, Sandbox, state_name
from labs.runtime.sessions import Sessions
from labs.streaming import http, portforward, remotecommand
from labs.streaming.http import Connection, Request

log = logging.getLogger("containerd")

#: Seconds that a URL can be used.
_VALID = 60.0
_HEAD_MAX = 1 << 16

Handler = Callable[[Request, Connection], Awaitable[None]]


@dataclass(frozen=True)
class _Expected:
    """A connection that somebody was promised."""

    handler: Handler
    expiry: asyncio.TimerHandle


class StreamServer:
    """Promises connections, and keeps the promises."""

    def __init__(
        self, containers: Records[Container], sandboxes: Records[Sandbox], sessions: Sessions
    ) -> None:
        self._containers = containers
        self._sandboxes = sandboxes
        self._sessions = sessions
        self._server: asyncio.Server | None = None
        self._expected: dict[str, _Expected] = {}

    async def exec(self, request: Any) -> str:
        """The URL at which a command runs in a container."""
        container = self._running(request.container_id)
        names = _names(request)
        command = list(request.cmd)

        async def handle(head: Request, connection: Connection) -> None:
            session = await remotecommand.accept(head, connection, names)
            if session is not None:
                await self._sessions.exec(session, container, command, tty=request.tty)

        return await self._promise("exec", handle)

    async def attach(self, request: Any) -> str:
        """The URL at which a container's own streams are."""
        container = self._running(request.container_id)
        names = _names(request)

        async def handle(head: Request, connection: Connection) -> None:
            session = await remotecommand.accept(head, connection, names)
            if session is not None:
                await self._sessions.attach(session, container)

        return await self._promise("attach", handle)

    async def port_forward(self, request: Any) -> str:
        """The URL at which a pod's ports are."""
        sandbox = self._sandboxes.get(request.pod_sandbox_id)
        if not sandbox.ready:
            raise CriError(f'sandbox container "{sandbox.id}" is not running')

        async def handle(head: Request, connection: Connection) -> None:
            await portforward.serve(
                head, connection, sandbox.id, lambda port: self._sessions.dial(sandbox, port)
            )

        return await self._promise("portforward", handle)

    def _running(self, identity: str) -> Container:
        container = self._containers.get(identity)
        if not container.running:
            raise CriError(f"container is in {state_name(container.state)} state")
        return container

    async def _promise(self, kind: str, handler: Handler) -> str:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_MAX)
        path = f"/{kind}/{secrets.token_urlsafe(6)}"
        expiry = asyncio.get_running_loop().call_later(_VALID, self._expected.pop, path, None)
        self._expected[path] = _Expected(handler, expiry)
        listener: socket.socket = self._server.sockets[0]
        return f"http://127.0.0.1:{listener.getsockname()[1]}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        try:
            head = await http.read_request(reader)
            if head is None:
                return
            expected = self._expected.pop(head.path, None)
            if expected is None:
                await remotecommand.refuse(connection, 404, "404: Page Not Found")
                return
            expected.expiry.cancel()
            await expected.handler(head, connection)
        except (LabsError, OSError) as failure:
            log.warning("streaming: %s", failure)
        finally:
            writer.close()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


def _names(request: Any) -> set[str]:
    if request.tty and request.stderr:
        raise InvalidArgumentError("tty and stderr cannot both be true")
    if not (request.stdin or request.stdout or request.stderr):
        raise InvalidArgumentError("one of stdin, stdout, or stderr must be set")
    return remotecommand.wanted(
        stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, tty=request.tty
    )
