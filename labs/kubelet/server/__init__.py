"""The kubelet's own servers: `/healthz` on localhost, its API on 10250, and the read-only port, if any.

Reading order:

    web        HTTP/1.1, by which all of it is served
    clients    TLS, and whom a client's certificate names
    routes     who is let in (`labs.kubelet.access`), and which path is whose
    pods       /pods, /runningpods/
    logs       /containerLogs, and the node's /logs/
    streams    /exec, /attach, /portForward, /run
    summary    /stats/summary
    exposition /metrics and what is below it
    configz    /configz
"""

import asyncio
import os
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

from labs.kubelet import klog
from labs.kubelet.hostfs import HostFs

if TYPE_CHECKING:
    from labs.golang.tlsserver import TLSServer
    from labs.kubelet.kubelet import Kubelet

#: The servers can wait until the static pods have been started.
AFTER_START = 1.0


#: Seconds until the port for health, which nothing else waits for, is tried again.
RETRY = 5.0


class CannotListen(Exception):
    """A port is taken, as the journal says: the kubelet ends."""


async def serve(kubelet: "Kubelet", fs: HostFs) -> None:
    """Serve until cancelled. Raises CannotListen."""
    health = asyncio.create_task(_serve_health(kubelet)) if kubelet.config.healthz_port else None
    try:
        await _serve_api(kubelet, fs)
    finally:
        if health is not None:
            health.cancel()


async def _serve_health(kubelet: "Kubelet") -> None:
    from labs.kubelet.server import web
    from labs.kubelet.server.routes import HealthPort

    address, port = kubelet.config.healthz_bind_address, kubelet.config.healthz_port
    while True:
        try:
            with closing(await web.listen(HealthPort(kubelet).handle, address, port)):
                await asyncio.Event().wait()
        except OSError as error:
            klog.error("server.go:951", "Failed to start healthz server", _taken(address, port, error))
            await asyncio.sleep(RETRY)


async def _serve_api(kubelet: "Kubelet", fs: HostFs) -> None:
    await asyncio.sleep(AFTER_START)
    from labs.kubelet.server import web
    from labs.kubelet.server.clients import server_context
    from labs.kubelet.server.routes import KubeletServer

    async def listen(line: int, port: int, context: ssl.SSLContext | None) -> "asyncio.Server | TLSServer":
        guarded = KubeletServer(kubelet, fs, secure=context is not None)
        try:
            return await web.listen(guarded.handle, config.address, port, context)
        except OSError as error:
            why = _taken(config.address, port, error)
            klog.error(f"server.go:{line}", "Failed to listen and serve", why)
            raise CannotListen(why) from error

    config, servers = kubelet.config, []
    if config.enable_server and config.port:
        klog.info("server.go:193", "Starting to listen", address=config.address, port=config.port)
        servers.append(await listen(209, config.port, server_context(kubelet, fs)))
    if config.enable_server and config.read_only_port:
        port = config.read_only_port
        klog.info("server.go:231", "Starting to listen read-only", address=config.address, port=port)
        servers.append(await listen(245, port, None))
    await asyncio.Event().wait()


def _taken(address: str, port: int, error: OSError) -> str:
    return f"listen tcp {address}:{port}: bind: {os.strerror(error.errno or 0).lower()}"
