"""The door for `crictl exec`: a Unix socket over which a caller on the node hands in its terminal or files.

    caller   {"container": ID, "argv": […], "tty": {"rows", "cols"} | null}    with its three files unless tty
    here     {"ok": true}, with the terminal's master if tty                   or {"error": "one line"}
    here     {"exit": code}

A caller that goes away takes the command's terminal with it (the kernel then hangs it up); a command without
one is killed. It is a stand-in for CRI's streaming over HTTP, which other clients need.
"""

import asyncio
import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from labs.runtime.errors import CriError
from labs.runtime.execution import Executions
from labs.runtime.records import Container, Records

NAME = "exec.sock"
_REQUEST_MAX = 256 * 1024


class TerminalServer:
    """Accepts callers until the runtime ends."""

    def __init__(self, path: Path, containers: Records[Container], executions: Executions) -> None:
        self._containers = containers
        self._executions = executions
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))
        self._socket.listen(16)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            caller, _ = self._socket.accept()
            task = asyncio.create_task(self._serve(caller))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, caller: socket.socket) -> None:
        with caller, suppress(ConnectionError):
            await _readable(caller)
            data, fds, _, _ = socket.recv_fds(caller, _REQUEST_MAX, 3, socket.MSG_CMSG_CLOEXEC)
            try:
                await self._execute(caller, data, fds)
            except (CriError, ValueError, KeyError) as failure:
                caller.send(json.dumps({"error": str(failure)}).encode())
            finally:
                for fd in fds:
                    os.close(fd)

    async def _execute(self, caller: socket.socket, data: bytes, fds: list[int]) -> None:
        request: dict[str, Any] = json.loads(data)
        container = self._containers.get(request["container"])
        tty = request.get("tty")
        execution = await self._executions.start(container, request["argv"], fds, tty)
        if execution.master is None:
            caller.send(json.dumps({"ok": True}).encode())
        else:
            socket.send_fds(caller, [json.dumps({"ok": True}).encode()], [execution.master])
            os.close(execution.master)
        gone = asyncio.create_task(_readable(caller))
        execution.exit.add_done_callback(lambda _: gone.cancel())
        await asyncio.wait([gone])
        if execution.exit.done():
            caller.send(json.dumps({"exit": execution.exit.result()}).encode())
        elif execution.master is None:
            await self._executions.signal(container, execution, signal.SIGKILL)


async def _readable(sock: socket.socket) -> None:
    """Wait until there is something to read, which may be the end."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _resolve(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
