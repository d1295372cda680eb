"""The way from the host into a cluster's network: a port of 127.0.0.1 that leads to the API server.

The cluster's network namespace is reachable for nobody on the host. A socket belongs to the namespace it
was made in, so the cluster's pid 1 makes sockets and passes them out, and this process connects them.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from labs.streaming.http import Connection, join

API_PORT = 6443

#: Gives a TCP socket of the cluster's network that is not yet connected.
SocketMaker = Callable[[], Awaitable[socket.socket]]


class Forwarder:
    """Carries connections from the host to one address of a cluster."""

    def __init__(self, make_socket: SocketMaker, address: str, port: int = API_PORT) -> None:
        self._make_socket = make_socket
        self._target = (address, port)
        self._connections: set[asyncio.Task[None]] = set()

    async def connect(self) -> socket.socket:
        """A connection to the target; `OSError` when nothing listens there."""
        connection = await self._make_socket()
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(connection, self._target)
        except BaseException:
            connection.close()
            raise
        return connection

    async def serve(self, listener: socket.socket) -> None:
        """Carry whatever comes to `listener`, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                client, _ = await loop.sock_accept(listener)
                carrying = asyncio.create_task(self._carry(client))
                self._connections.add(carrying)
                carrying.add_done_callback(self._connections.discard)
        finally:
            for carrying in self._connections:
                carrying.cancel()

    async def _carry(self, client: socket.socket) -> None:
        client.setblocking(False)
        try:
            server = await self.connect()
        except OSError:
            client.close()  # hanging up is how a forwarder says that nobody listens there
            return
        ends = [Connection(*await asyncio.open_connection(sock=each)) for each in (client, server)]
        await join(*ends)
