"""`kube-apiserver FLAGS`."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
from typing import Any

from labs.controlplane import klog
from labs.controlplane.flags import FlagError, HelpWanted
from labs.controlplane.http import serve

from . import authenticating, namespaces, options, tls
from .admission import Admission
from .audit import Audit, Evidence
from .bootstrap import Bootstrap
from .compaction import compact_for_ever
from .context import Context, Target
from .etcd import Etcd
from .handlers import Handlers
from .health import Health
from .metrics import Metrics
from .options import InvalidOptions, Options
from .registry import Registry
from .server import LOOPBACK, Server
from .storage import Storage
from .subresources import Subresources
from .token_requests import TokenRequests
from .version import VERSION
from .watches import Watches
from .watching import Hub

#: How long an etcd that does not answer is waited for at the start.
ETCD_START_SECONDS = 20.0


def main() -> int:
    """Run until told to end; the exit status is the real server's."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"Kubernetes {VERSION['gitVersion']}")
        return 0
    try:
        parsed = options.parse(arguments)
    except HelpWanted:
        options.print_help()
        return 0
    except FlagError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    evidence = Evidence.from_environment()
    try:
        if not parsed.advertise_address:
            parsed.advertise_address = _own_address()
        klog.info("options.go:263", f"external host was not specified, using {parsed.advertise_address}")
        options.validate(parsed)
        klog.info("server.go:187", f"Version: {VERSION['gitVersion']}")
        klog.info("server.go:189", '"Golang settings" GOGC="" GOMAXPROCS="" GOTRACEBACK=""')
        options.validate_files(parsed)
        asyncio.run(_run(parsed, Audit.of(parsed, evidence)))
    except InvalidOptions as error:
        klog.error("run.go:72", "command failed", err=error)
        return 1
    return 0


async def _run(parsed: Options, audit: Audit) -> None:
    etcd = Etcd(parsed.etcd_servers, tls.etcd(parsed))
    try:
        await _serve(parsed, audit, etcd)
    finally:
        await etcd.close()


async def _serve(parsed: Options, audit: Audit, etcd: Etcd) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving, to_kubelets = tls.serving(parsed), tls.kubelet(parsed)
    # Bound before etcd is there: who connects meanwhile waits instead of being refused.
    listener = _listen(parsed.secure_port)
    hub = Hub(etcd)
    await _reach_etcd(hub)
    storage = Storage(etcd)
    admission = Admission(storage, hub, parsed.service_cluster_ip_range)
    registry = Registry(storage, admission)
    authenticator = authenticating.of(parsed, storage)
    tokens = TokenRequests(storage, admission, authenticator.issuer)
    health = Health(etcd)
    server = Server(
        Handlers(registry, Watches(storage, hub)),
        Subresources(registry, tokens, to_kubelets, tuple(parsed.kubelet_preferred_address_types)),
        health,
        audit,
        Metrics(),
        authenticator,
        f"{parsed.advertise_address}:{parsed.secure_port}",
    )
    bootstrap = Bootstrap(
        storage, parsed.service_cluster_ip_range, parsed.advertise_address, parsed.secure_port
    )
    own = Context(namespaces.own_request(), LOOPBACK, Target("delete", "/"))
    tasks = [
        loop.create_task(hub.run()),
        loop.create_task(namespaces.forever(namespaces.NamespaceController(registry, hub, own))),
        loop.create_task(compact_for_ever(etcd)),
    ]
    # Before any request: a kubelet whose mirror pods are refused for want of a priority class tries again
    # only after a minute.
    await bootstrap.run()
    health.started = True
    port = await serve(server.handle, listener, context=serving)
    klog.info("secure_serving.go:211", f"Serving securely on [::]:{parsed.secure_port}")
    await stop.wait()
    klog.info("genericapiserver.go:748", "[graceful-termination] shutdown event", name="ShutdownInitiated")
    health.stopping = True
    port.close()
    for task in tasks:
        task.cancel()


def _listen(port: int) -> socket.socket:
    """The port on all addresses of both families. Raises `InvalidOptions` when it is taken."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    try:
        return socket.create_server(
            ("", port), family=family, backlog=256, dualstack_ipv6=family == socket.AF_INET6
        )
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "bind: address already in use" if taken else f"bind: {(error.strerror or '').lower()}"
        address = f"0.0.0.0:{port}"
        message = f"failed to create listener: failed to listen on {address}: listen tcp {address}: {why}"
        raise InvalidOptions(message) from error


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What broke outside of any request, in one line."""
    cause = context.get("exception") or context["message"]
    klog.error("runtime.go:142", "Unhandled Error", err=repr(cause))


async def _reach_etcd(hub: Hub) -> None:
    """Wait for etcd: it may be starting beside this process."""
    try:
        async with asyncio.timeout(ETCD_START_SECONDS):
            await hub.start()
    except TimeoutError as error:
        raise InvalidOptions("context deadline exceeded") from error


def _own_address() -> str:
    """The address that the default route would leave from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


if __name__ == "__main__":
    sys.exit(main())
