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
from typing import TYPE_CHECKING

from labs.kubelet import klog
from labs.kubelet.hostfs import HostFs

if TYPE_CHECKING:
    from labs.kubelet.kubelet import Kubelet

#: The servers can wait until the static pods have been started.
AFTER_START = 1.0


async def serve(kubelet: "Kubelet", fs: HostFs) -> None:
    """Serve until cancelled."""
    from labs.kubelet.server import web
    from labs.kubelet.server.routes import HealthPort

    config, servers = kubelet.config, []
    if config.healthz_port:
        servers.append(
            await web.listen(HealthPort(kubelet).handle, config.healthz_bind_address, config.healthz_port)
        )
    await asyncio.sleep(AFTER_START)
    from labs.kubelet.server.clients import server_context
    from labs.kubelet.server.routes import KubeletServer

    if config.enable_server and config.port:
        klog.info("server.go:193", "Starting to listen", address=config.address, port=config.port)
        context = server_context(kubelet, fs)
        guarded = KubeletServer(kubelet, fs, secure=True)
        servers.append(await web.listen(guarded.handle, config.address, config.port, context))
    if config.enable_server and config.read_only_port:
        port = config.read_only_port
        klog.info("server.go:236", "Starting to listen read-only", address=config.address, port=port)
        open_to_all = KubeletServer(kubelet, fs, secure=False)
        servers.append(await web.listen(open_to_all.handle, config.address, port))
    await asyncio.Event().wait()
