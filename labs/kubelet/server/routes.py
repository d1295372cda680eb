"""Which request is whose, and who may ask (`pkg/kubelet/server/server.go`)."""

import posixpath
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from labs.kubelet import klog
from labs.kubelet.access import UNABLE, Access, Denied
from labs.kubelet.hostfs import HostFs
from labs.kubelet.server.usage import Rates
from labs.kubelet.server.web import NO_SNIFFING, Exchange, Refused, Response, text

if TYPE_CHECKING:
    from labs.kubelet.kubelet import Kubelet

Answer = Awaitable[Response | None]
#: First part of each path, and the methods that it takes; none are all.
_PATHS: dict[str, tuple[str, ...]] = {
    "healthz": (), "metrics": (), "stats": (), "configz": (), "pods": ("GET",), "runningpods": ("GET",),
    "containerLogs": ("GET",), "logs": ("GET",), "run": ("POST",), "exec": ("GET", "POST"),
    "attach": ("GET", "POST"), "portForward": ("GET", "POST"),
}  # fmt: skip
#: What is served without authentication, too, where there is a read-only port.
_PLAIN = ("healthz", "pods", "stats", "metrics")
#: What `enableDebuggingHandlers: false` takes away, with words of its own.
_DEBUGGING = ("run", "exec", "attach", "portForward", "containerLogs", "runningpods", "logs")
#: Directories: without their slash they are somewhere else.
_SLASHED = ("/runningpods", "/stats", "/logs")
_METRICS = ("cadvisor", "probes", "resource")
_METHODS = ("OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT")
_LONG_RUNNING = ("exec", "attach", "portforward", "debug")
_LATE = "sync Loop took longer than expected"


def _page_not_found() -> Response:
    """Of a path that nobody has."""
    return text("404 page not found\n", 404, NO_SNIFFING)


def bucket(path: str) -> str:
    """The part of a path that its requests are counted under (`getMetricBucket`)."""
    first, _, rest = path.lstrip("/").partition("/")
    second = rest.partition("/")[0]
    if first == "metrics" and second:
        return f"metrics/{second}" if second in _METRICS else "other"
    return first if first in _PATHS else "other"


class HealthPort:
    """The handler of port 10248: the kubelet's health, for nobody but its own node."""

    def __init__(self, kubelet: "Kubelet") -> None:
        self._kubelet = kubelet

    async def handle(self, exchange: Exchange) -> Response:
        """Answer a request."""
        first, *rest = exchange.path.strip("/").split("/")
        if first != "healthz":
            return _page_not_found()
        return healthz(self._kubelet, rest, verbose="verbose" in exchange.query)


def healthz(kubelet: "Kubelet", rest: Sequence[str], *, verbose: bool) -> Response:
    """All checks, or the one that is named (`apiserver/pkg/server/healthz`)."""
    checks: dict[str, Callable[[], bool]] = {
        "ping": lambda: True,
        "log": lambda: True,
        "syncloop": lambda: kubelet.pleg.healthy,
    }
    if rest:
        check = checks.get(rest[0]) if len(rest) == 1 else None
        if check is None:
            return _page_not_found()
        return text("ok") if check() else text(f"internal server error: {_LATE}\n", 500, NO_SNIFFING)
    good = {name: check() for name, check in checks.items()}
    lines = [f"[+]{name} ok" if ok else f"[-]{name} failed: reason withheld" for name, ok in good.items()]
    if not all(good.values()):
        return text("\n".join([*lines, "healthz check failed", ""]), 500, NO_SNIFFING)
    return text("\n".join([*lines, "healthz check passed", ""]) if verbose else "ok", headers=NO_SNIFFING)


class KubeletServer:
    """The handlers of port 10250, and of the read-only port when not `secure`."""

    def __init__(self, kubelet: "Kubelet", fs: HostFs, *, secure: bool) -> None:
        self._kubelet = kubelet
        self._fs = fs
        self._secure = secure
        self._rates = Rates()
        self._access = Access(kubelet.api, kubelet.node_name, kubelet.config.rules)

    async def handle(self, exchange: Exchange) -> Response | None:
        """Answer a request."""
        path = bucket(exchange.path)
        method = exchange.method if exchange.method in _METHODS else "other"
        server = "readwrite" if self._secure else "readonly"
        labels = (method, path, server, str(path in _LONG_RUNNING).lower())
        metrics = self._kubelet.metrics
        metrics.http_requests.inc(*labels)
        metrics.http_inflight.inc(*labels)
        began = time.monotonic()
        try:
            return await self._serve(exchange)
        finally:
            metrics.http_inflight.inc(*labels, by=-1)
            metrics.http_duration.observe(time.monotonic() - began, *labels)

    async def _serve(self, exchange: Exchange) -> Response | None:
        elsewhere = _elsewhere(exchange.path)
        if elsewhere:
            body = f'<a href="{elsewhere}">Temporary Redirect</a>.\n\n'.encode()
            return Response(307, body, "text/html; charset=utf-8", {"Location": elsewhere})
        parts = exchange.path.strip("/").split("/")
        first = parts[0]
        if first not in _PATHS or not (self._secure or first in _PLAIN):
            return _page_not_found()
        if self._secure:
            await self._admit(exchange)
        config = self._kubelet.config
        if not config.enable_debugging_handlers and first in _DEBUGGING:
            return text("Debug endpoints are disabled.\n", 405)
        if first == "logs" and not config.enable_system_log_handler:
            return text("logs endpoint is disabled.\n", 405)
        answer = self._answer(exchange, parts)
        return text("404: Page Not Found", 404) if answer is None else await answer

    async def _admit(self, exchange: Exchange) -> None:
        from labs.kubelet.server.clients import BadCertificate, certified

        try:
            user = certified(exchange.tls)
            authorization = exchange.head.headers.get("authorization", "")
            await self._access.admit(user, authorization, exchange.method, exchange.path)
        except BadCertificate as error:
            klog.error("server.go:376", UNABLE, error)
            raise Refused(401, "Unauthorized") from None
        except Denied as denied:
            raise Refused(denied.status, str(denied)) from None

    def _answer(self, exchange: Exchange, parts: list[str]) -> Answer | None:
        """The work of a request; None when its path leads nowhere. Imports wait for the first."""
        kubelet, fs = self._kubelet, self._fs
        if (allowed := _PATHS[parts[0]]) and exchange.method not in allowed:
            return _at_once(text("405: Method Not Allowed", 405, {"Allow": ", ".join(allowed)}))
        match parts:
            case ["healthz", *rest]:
                return _at_once(healthz(kubelet, rest, verbose="verbose" in exchange.query))
            case ["pods"]:
                from labs.kubelet.server import pods

                return _at_once(pods.configured(kubelet))
            case ["runningpods"]:
                from labs.kubelet.server import pods

                return pods.running(kubelet)
            case ["stats", "summary"]:
                from labs.kubelet.server import summary

                only = exchange.argument("only_cpu_and_memory") == "true"
                return summary.answer(kubelet, fs, self._rates, only_cpu_and_memory=only)
            case ["metrics", *rest]:
                if rest and (len(rest) > 1 or rest[0] not in _METRICS):
                    return _at_once(_page_not_found())
                from labs.kubelet.server import exposition

                return exposition.answer(kubelet, fs, *rest)
            case ["configz"]:
                from labs.kubelet.server import configz

                return _at_once(configz.answer(kubelet.config))
            case ["containerLogs", namespace, pod, container]:
                from labs.kubelet.server import logs

                return logs.of_container(kubelet, fs, exchange, namespace, pod, container)
            case ["logs", *_]:
                from labs.kubelet.server import node_logs

                return _at_once(node_logs.answer(fs, exchange.path.removeprefix("/logs")))
            case ["exec" | "attach" | "run", _, _, *rest] if len(rest) in (1, 2):
                from labs.kubelet.server import streams

                return streams.answer(kubelet, exchange, parts)
            case ["portForward", _, _, *rest] if len(rest) < 2:
                from labs.kubelet.server import streams

                return streams.port_forward(kubelet, exchange, parts)
        return None


def _elsewhere(path: str) -> str:
    """Where a path is rather asked for: without `..` and doubled slashes, and directories with theirs."""
    clean = posixpath.normpath(f"/{path.lstrip('/')}")
    if (path.endswith("/") and clean != "/") or clean in _SLASHED:
        clean += "/"
    return clean if clean != path else ""


async def _at_once(response: Response) -> Response:
    return response
