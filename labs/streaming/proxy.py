"""Between a client and a runtime's streams, as the kubelet stands there (`apiserver/pkg/util/proxy`).

What the client asks is passed on as it is, with two exceptions that runtimes need not know: a command's
streams by version 5 of the WebSocket protocol, and ports by SPDY inside a WebSocket. Both are SPDY to them.
"""

import asyncio
from collections.abc import Collection
from typing import Any

from labs.streaming import client, http, portforward, remotecommand, spdy, status, websocket
from labs.streaming.client import RemoteCommand
from labs.streaming.errors import RefusedError, StreamingError
from labs.streaming.http import Connection, Request
from labs.streaming.remotecommand import Session
from labs.streaming.stream import copy

#: Seconds for the last output to follow the end of a command.
_DRAIN = 5.0


async def command(request: Request, connection: Connection, url: str, names: Collection[str]) -> None:
    """Connect a client to the streams `names` of the command at `url`."""
    offered = request.tokens("sec-websocket-protocol")
    if not (request.upgrades_to("websocket") and remotecommand.V5 in offered):
        await http.relay(request, connection, url)
        return
    session = await remotecommand.accept(request, connection, names)
    if session is None:
        return
    try:
        remote = await client.connect(url, names, by="spdy")
    except (StreamingError, OSError) as failure:
        await session.finish(status.failed(f"unable to upgrade connection: {failure}"))
        return
    try:
        ended = await _between(session, remote, names)
    finally:
        await remote.close()
    await session.finish(ended)


async def _between(session: Session, remote: RemoteCommand, names: Collection[str]) -> dict[str, Any]:
    """Copy all streams until the command has ended or the client has gone; how it ended."""
    inwards = [name for name in ("stdin", "resize") if name in names]
    outwards = [name for name in ("stdout", "stderr") if name in names]
    copies = [asyncio.create_task(copy(session.streams[name], remote.streams[name])) for name in inwards]
    outputs = [asyncio.create_task(copy(remote.streams[name], session.streams[name])) for name in outwards]
    said = asyncio.create_task(remote.result())
    gone = asyncio.create_task(session.wait_closed())
    try:
        await asyncio.wait({said, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not said.done():
            return status.failed("the client has gone")
        if outputs:
            await asyncio.wait(outputs, timeout=_DRAIN)
        return _again(*said.result())
    finally:
        tasks = [*copies, *outputs, said, gone]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _again(code: int, message: str) -> dict[str, Any]:
    """A command's end, said once more: a command that did not run is the proxy's internal error, too."""
    if code == 0:
        return status.success()
    return status.exited(code) if message.startswith(status.EXITED) else status.failed(message)


async def ports(request: Request, connection: Connection, url: str) -> None:
    """Connect a client to the ports of the pod at `url`."""
    chosen = http.negotiate(request.tokens("sec-websocket-protocol"), [portforward.TUNNELED])
    if not request.upgrades_to("websocket") or chosen is None:
        await http.relay(request, connection, url)
        return
    asked = {"Upgrade": spdy.NAME, "X-Stream-Protocol-Version": portforward.PROTOCOL, "Content-Length": "0"}
    try:
        server, _ = await http.dial(url, "POST", asked)
    except RefusedError as refused:
        await remotecommand.refuse(connection, refused.code, str(refused))
        return
    tunnel = portforward.Tunnel(websocket.accept(request, connection, chosen))
    await http.join(await tunnel.open(), server)
