"""`/livez`, `/readyz`, `/healthz`: the real server's named checks, of which etcd's does check something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from labs.controlplane import klog
from labs.controlplane.http import Request, Response

from . import codec
from .etcd import Etcd, EtcdError

ETCD_SECONDS = 2.0
_HOOKS = (
    *("start-apiserver-admission-initializer", "generic-apiserver-start-informers"),
    *("priority-and-fairness-config-consumer", "priority-and-fairness-filter"),
    *("storage-object-count-tracker-hook", "start-apiextensions-informers"),
    *("start-apiextensions-controllers", "crd-informer-synced", "start-system-namespaces-controller"),
    *("peer-endpoint-reconciler-controller", "start-cluster-authentication-info-controller"),
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    *("storage-readiness", "start-legacy-token-tracking-controller", "start-service-ip-repair-controllers"),
    *("rbac/bootstrap-roles", "scheduling/bootstrap-system-priority-classes"),
    *("priority-and-fairness-config-producer", "bootstrap-controller"),
    *("start-kubernetes-service-cidr-controller", "aggregator-reload-proxy-client-cert"),
    *("start-kube-aggregator-informers", "apiservice-status-local-available-controller"),
    *("apiservice-status-remote-available-controller", "apiservice-registration-controller"),
    *("apiservice-wait-for-first-sync", "apiservice-discovery-controller", "kube-apiserver-autoregistration"),
)
_AFTER = (
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
)
_HOOKED = (*(f"poststarthook/{hook}" for hook in _HOOKS), *_AFTER)
_LIVE = ("ping", "log", "loopback-serving-certificate", "etcd", *_HOOKED)
#: The endpoints' checks, in the order they are told.
_CHECKS = {
    "livez": _LIVE,
    "readyz": ("ping", "log", "informer-sync", *_HOOKED, "shutdown"),
    "healthz": _LIVE,
}
#: Start-up is over when these have been done; until then they fail.
_STARTING = frozenset(
    (
        "poststarthook/scheduling/bootstrap-system-priority-classes",
        "poststarthook/start-system-namespaces-controller",
        "poststarthook/rbac/bootstrap-roles",
    )
)

Check = Callable[[], Awaitable[str]]


class Health:
    """The checks; `started` is set when the start-up hooks have run."""

    def __init__(self, etcd: Etcd) -> None:
        self._etcd = etcd
        self.started = False
        self.stopping = False

    @property
    def paths(self) -> list[str]:
        """The endpoints, and one path for each check of each."""
        checks = [f"/{endpoint}/{name}" for endpoint, names in _CHECKS.items() for name in names]
        return [*(f"/{endpoint}" for endpoint in _CHECKS), *checks]

    async def answer(self, request: Request) -> Response:
        """All checks, or with `/livez/NAME` one."""
        endpoint, _, single = request.path.strip("/").partition("/")
        names = _CHECKS[endpoint]
        if single:
            if single not in names:
                return codec.no_page()
            names = (single,)
        skipped = set(request.query.get("exclude", ()))
        faults: dict[str, str] = {}
        lines = []
        for name in names:
            if name in skipped:
                lines.append(f"[+]{name} excluded: ok")
                continue
            fault = await self._fault(name)
            if fault:
                faults[name] = fault
            lines.append(f"[-]{name} failed: reason withheld" if fault else f"[+]{name} ok")
        if single and faults:
            return codec.in_words(500, f"internal server error: {faults[single]}\n")
        if faults:
            klog.info(
                "healthz.go:280",
                f"{', '.join(faults)} check failed: {endpoint}\n"
                + "\n".join(f"[-]{n} failed: {t}" for n, t in faults.items()),
            )
            return codec.in_words(500, "\n".join(lines) + f"\n{endpoint} check failed\n")
        if request.flag("verbose") and not single:
            return codec.in_words(200, "\n".join(lines) + f"\n{endpoint} check passed\n")
        return codec.in_words(200, "ok")

    async def _fault(self, name: str) -> str:
        if name == "etcd":
            try:
                async with asyncio.timeout(ETCD_SECONDS):
                    await self._etcd.range("/registry/health", count_only=True)
            except TimeoutError:
                return "error getting data from etcd: context deadline exceeded"
            except EtcdError as error:
                return f"error getting data from etcd: {error}"
        if name in _STARTING and not self.started:
            return "not finished"
        if name == "shutdown" and self.stopping:
            return "process is shutting down"
        return ""
