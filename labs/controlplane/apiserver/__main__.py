"""`kube-apiserver FLAGS`."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labs.controlplane import klog, zpages
from labs.controlplane.flags import FlagError, HelpWanted
from labs.controlplane.helpers.taints import NOT_READY, UNREACHABLE
from labs.controlplane.http import serve
from labs.controlplane.listening import ListenError, listen
from labs.core.validation import capabilities

from . import admission_config, authenticating, authorizing, checks, files, options, policy_bootstrap, tls
from .admission import Admission
from .aggregation import aggregate_for_ever
from .allocation import Allocation
from .audit import Audit, Evidence
from .authorization import Escalation, Graph, Policy
from .bootstrap import Bootstrap
from .client_authorities import ClientAuthorities
from .compaction import compact_for_ever
from .component_statuses import ComponentStatuses
from .etcd import Etcd
from .handlers import Handlers
from .health import Health
from .identity_lease import IdentityLease
from .informers import Informers
from .ip_addresses import IPAddresses
from .kubelets import Kubelets
from .metrics import Metrics
from .options import Fatal, InvalidOptions, Options
from .registry import Registry
from .server import Server
from .service_ranges import ServiceRanges
from .storage import Storage
from .subresources import Subresources
from .token_requests import TokenRequests
from .version import VERSION
from .watches import Watches
from .watching import Hub

#: How long an etcd that does not answer is waited for at the start.
ETCD_START_SECONDS = 20.0
#: How long requests may go on that have begun when the server is told to end.
DRAIN_SECONDS = 5.0
#: What `/statusz` lists.
_PATHS = ("/healthz", "/livez", "/metrics", "/readyz", "/version", *zpages.PATHS)


@dataclass(frozen=True)
class Prepared:
    """What a server has before it looks for etcd."""

    options: Options
    listener: socket.socket
    serving: ssl.SSLContext
    audit: Audit


def main() -> int:
    """Run until told to end; the exit status is the real server's."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"Kubernetes {VERSION['gitVersion']}")
        return 0
    try:
        asyncio.run(_run(prepare(arguments)))
    except HelpWanted:
        options.print_help()
    except FlagError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except InvalidOptions as error:
        klog.error("run.go:72", "command failed", err=error)
        return 1
    except Fatal as error:
        klog.fatal(error.place, str(error))
        return 255
    return 0


def prepare(arguments: Sequence[str]) -> Prepared:
    """Read the command line and all files that it names but those of etcd's and the admission plug-ins'.

    Raises `FlagError`, `HelpWanted` and `InvalidOptions`.
    """
    parsed = options.parse(arguments)
    evidence = Evidence.from_environment()
    checks.complete(parsed)
    if not parsed.advertise_address:
        parsed.advertise_address = _own_address()
    klog.info("options.go:263", f"external host was not specified, using {parsed.advertise_address}")
    checks.check_signing_key(parsed)
    checks.validate(parsed)
    klog.info("server.go:187", f"Version: {VERSION['gitVersion']}")
    klog.info("server.go:189", '"Golang settings" GOGC="" GOMAXPROCS="" GOTRACEBACK=""')
    # Bound before etcd is there: who connects meanwhile waits instead of being refused.
    try:
        listener = listen(parsed.flags.text("bind-address"), parsed.secure_port)
    except ListenError as error:
        raise InvalidOptions(str(error)) from error
    try:
        serving = tls.serving(parsed)
        files.check(parsed)
        tls.ask_clients(serving, parsed)
        return Prepared(parsed, listener, serving, Audit.of(parsed, evidence))
    except InvalidOptions:
        listener.close()
        raise


def prepare_backend(parsed: Options) -> tls.KubeletTLS:
    """Read, once etcd has answered, what plug-ins and connections to others need; what kubelets are shown.

    Raises `InvalidOptions` and `Fatal`.
    """
    admission_config.check(parsed)
    reconciler = parsed.flags.text("endpoint-reconciler-type")
    if reconciler not in ("master-count", "lease", "none"):
        raise Fatal("instance.go:250", f"Reconciler not implemented: {reconciler}")
    to_kubelets = tls.kubelet(parsed)
    tls.check_proxy_client(parsed)
    return to_kubelets


async def _run(prepared: Prepared) -> None:
    parsed = prepared.options
    etcd = Etcd(parsed.etcd_servers, tls.etcd(parsed), parsed.flags.text("etcd-prefix"))
    try:
        await _serve(prepared, etcd)
    finally:
        await etcd.close()


async def _serve(prepared: Prepared, etcd: Etcd) -> None:
    parsed = prepared.options
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hub = Hub(etcd)
    await _reach_etcd(hub)
    to_kubelets = prepare_backend(parsed)
    storage = Storage(etcd, parsed.flags.seconds("event-ttl"))
    capabilities.ALLOWED.privileged = parsed.flags.switch("allow-privileged")
    policy, graph, defaults = Policy(), Graph(), policy_bootstrap.defaults()
    modes = authorizing.of(parsed, graph, policy, policy_bootstrap.node_rules(defaults))
    ports = parsed.flags.text("service-node-port-range")
    ranges, addresses = ServiceRanges(storage, parsed.service_network), IPAddresses(storage)
    allocation = Allocation(storage, ranges, addresses, ports)
    admission = Admission(storage, hub, Escalation(modes), allocation, _tolerated(parsed))
    informers = Informers(storage, hub, (policy, graph, admission.lookups, ranges, addresses))
    registry = Registry(storage, admission)
    authenticator = authenticating.of(parsed, storage)
    tokens = TokenRequests(storage, admission, authenticator.issuer)
    health = Health(etcd)
    server = Server(
        Handlers(registry, Watches(storage, hub), ComponentStatuses(etcd)),
        Subresources(
            registry, tokens, Kubelets(registry, to_kubelets, parsed.kubelet_preferred_address_types)
        ),
        health,
        prepared.audit,
        Metrics(),
        authenticator,
        modes,
        informers,
        zpages.Pages("apiserver", parsed.written(), _PATHS),
        f"{parsed.advertise_address}:{parsed.secure_port}",
    )
    bootstrap = Bootstrap(storage, parsed.service_network, parsed.advertise_address, parsed.secure_port)
    tasks = [
        loop.create_task(hub.run()),
        loop.create_task(compact_for_ever(etcd)),
    ]
    # Before any request: a kubelet whose mirror pods are refused for want of a priority class tries again
    # only after a minute.
    authorities = ClientAuthorities(storage, parsed)
    await ranges.ensure_default()  # known to the informers as soon as they are loaded
    await asyncio.gather(informers.load(), bootstrap.run(), authorities.tell())
    if modes.has("RBAC"):
        await policy_bootstrap.reconcile(storage, policy, [*defaults, *policy_bootstrap.kubeadm()])
        await informers.settled()
        tasks.append(loop.create_task(aggregate_for_ever(storage, policy)))
    tasks += [loop.create_task(authorities.keep()), loop.create_task(addresses.keep())]
    lease = IdentityLease(storage, socket.gethostname(), f"{parsed.advertise_address}:{parsed.secure_port}")
    tasks.append(loop.create_task(lease.keep()))
    health.started = True
    port = await serve(server.handle, prepared.listener, context=prepared.serving)
    klog.info("secure_serving.go:211", f"Serving securely on [::]:{parsed.secure_port}")
    await stop.wait()
    klog.info("genericapiserver.go:748", "[graceful-termination] shutdown event", name="ShutdownInitiated")
    health.stopping = True
    await port.close(DRAIN_SECONDS)
    for task in tasks:
        task.cancel()
    await lease.remove()


def _tolerated(parsed: Options) -> dict[str, int]:
    return {
        NOT_READY: parsed.flags.number("default-not-ready-toleration-seconds"),
        UNREACHABLE: parsed.flags.number("default-unreachable-toleration-seconds"),
    }


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
