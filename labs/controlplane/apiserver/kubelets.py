"""What goes through the API server to the kubelet of a node: logs, exec, attach, port-forward, and its API.

Mirrors `pkg/registry/core/pod/strategy.go` (where to) and `apimachinery/pkg/util/proxy` (how).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from labs.controlplane.http import Response
from labs.controlplane.nethttp import Failure, Pool
from labs.core.field import forbidden, invalid
from labs.golang import dialerrors, quoting, scalars
from labs.streaming import http as streaming
from labs.streaming.errors import RefusedError, StreamingError
from labs.streaming.http import Connection
from labs.tls import explain, note_refused

from . import request_options, status
from .context import Context
from .proxying import cannot_reach, forward, relay, rest, split_name
from .registry import Registry
from .resources import Resource, core
from .tls import KubeletTLS

Object = dict[str, Any]
KUBELET_PORT = 10250
_LOG_OPTIONS = (
    *("follow", "previous", "timestamps", "tailLines", "limitBytes", "sinceSeconds", "sinceTime", "stream"),
)
#: Options of a command, as clients call them and as the kubelet does.
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


@dataclass(frozen=True)
class _Place:
    """A node, and where its kubelet is."""

    node: str
    host: str
    port: int

    def url(self, target: str) -> str:
        return f"https://{self.host}:{self.port}{target}"


class Kubelets:
    """The kubelets of all nodes, who know this server by its client certificate."""

    def __init__(self, registry: Registry, connections: KubeletTLS, address_types: Sequence[str]) -> None:
        self._registry = registry
        self._context, self._fault = connections.context, connections.fault
        if self._context is not None:
            note_refused(self._context)
        self._address_types = address_types

    async def log(self, ctx: Context, resource: Resource) -> Response:
        """A container's log."""
        target, request = ctx.target, ctx.request
        query = {name: request.argument(name) for name in _LOG_OPTIONS if name in request.query}
        _check_log_options(target.name, query)
        pod = await self._registry.get(resource, target.namespace, target.name)
        container = _container(pod, request.argument("container"))
        if not pod["spec"].get("nodeName"):
            return Response(200, b"", {"Content-Type": "text/plain"})
        place = await self._place(pod["spec"]["nodeName"])
        path = "/containerLogs/" + "/".join(quote(p) for p in (target.namespace, target.name, container))
        path += f"?{urlencode(query)}" if query else ""
        answer = relay(Pool(place.host, place.port, self._context), "GET", path, {"Accept": "*/*"})
        try:
            self._check_certificate()
            code, headers = await anext(answer)
        except Failure as failure:
            raise status.no_status(
                _url_error(place.url(path), failure), f'Get "{place.url(path)}": {failure}'
            ) from failure
        if code != 200:
            text = b"".join([chunk async for chunk in rest(answer)])
            raise _refusal(code, text.decode("utf-8", "replace"), "pods/log", target.name)
        return Response(200, rest(answer), {"Content-Type": headers.get("content-type", "text/plain")})

    async def connect(self, ctx: Context, resource: Resource) -> Response:
        """`exec`, `attach` or `portforward`: the client's connection, joined with one to the kubelet."""
        target, request = ctx.target, ctx.request
        pod = await self._registry.get(resource, target.namespace, target.name)
        path = _stream_target(ctx, pod)
        if not pod["spec"].get("nodeName"):
            raise status.bad_request(f"pod {target.name} does not have a host assigned")
        place = await self._place(pod["spec"]["nodeName"])
        asked = streaming.Request(request.method, request.target, request.headers)
        if "upgrade" not in request.headers.get("connection", "").lower():
            raise status.bad_request("Upgrade request required")
        try:
            self._check_certificate()
            server, answered = await streaming.pass_on(asked, place.url(path), tls=self._context)
        except RefusedError as refused:
            return Response(
                refused.code, str(refused).encode(), {"Content-Type": "text/plain; charset=utf-8"}
            )
        except (OSError, StreamingError, Failure) as error:
            why = f"error dialing backend: {self._dial_error(place, error)}"
            raise status.no_status(f"&errors.errorString{{s:{quoting.quote(why)}}}", why) from error

        async def join(client: Connection) -> None:
            await streaming.answer(client, server, answered)

        return Response(101, takeover=join)

    async def proxy(self, ctx: Context) -> Response:
        """`nodes/NAME/proxy/…`: the kubelet's own API."""
        scheme, name, port = split_name(ctx.target.name)
        place = await self._place(name)
        if port and port != str(place.port):
            return await forward(ctx, scheme or "http", place.host, int(port), None)
        try:
            self._check_certificate()
        except Failure as failure:
            raise cannot_reach(failure) from failure
        return await forward(ctx, "https", place.host, place.port, self._context)

    def _dial_error(self, place: _Place, error: Exception) -> str:
        if isinstance(error, ssl.SSLError):
            return explain(error, self._context, place.host)
        if isinstance(error, OSError):
            return dialerrors.dial(error, place.host, place.port)
        return str(error)

    def _check_certificate(self) -> None:
        if self._fault:
            raise Failure(self._fault)

    async def _place(self, node_name: str) -> _Place:
        node = await self._registry.get(core("nodes"), "", node_name)
        state = node.get("status") or {}
        port = ((state.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT
        for kind in self._address_types:
            for address in state.get("addresses") or []:
                if address.get("type") == kind:
                    return _Place(node_name, address["address"], port)
        raise _no_address(state.get("addresses") or [])


def starts_websocket(ctx: Context) -> bool:
    """Whether a request would run a command, attach or forward ports by WebSocket, whose method is GET."""
    streams = ctx.target.resource == "pods" and ctx.target.subresource in ("exec", "attach", "portforward")
    return streams and ctx.request.headers.get("upgrade", "").lower() == "websocket"


def _stream_target(ctx: Context, pod: Object) -> str:
    """The kubelet's path and query for a client's."""
    target, request = ctx.target, ctx.request
    where = "/".join(quote(part) for part in (target.namespace, target.name))
    if target.subresource == "portforward":
        ports = {"port": request.query["ports"]} if "ports" in request.query else {}
        return f"/portForward/{where}" + (f"?{urlencode(ports, doseq=True)}" if ports else "")
    container = quote(_container(pod, request.argument("container")))
    given = {theirs: "1" for ours, theirs in _STREAMS.items() if request.flag(ours)}
    options: dict[str, Any] = given | {"command": request.query.get("command", [])}
    return f"/{target.subresource}/{where}/{container}?{urlencode(options, doseq=True)}"


def _no_address(addresses: list[Object]) -> status.APIError:
    """A node has no address of the kinds that are wanted (`pkg/util/node`, `NoMatchError`)."""
    pairs = [(each.get("type", ""), each.get("address", "")) for each in addresses]
    told = " ".join(f"{{{kind} {address}}}" for kind, address in pairs)
    shown = ", ".join(
        f"v1.NodeAddress{{Type:{quoting.quote(kind)}, Address:{quoting.quote(address)}}}"
        for kind, address in pairs
    )
    return status.no_status(
        f"&node.NoMatchError{{addresses:[]v1.NodeAddress{{{shown}}}}}",
        f"no preferred addresses found; known addresses: [{told}]",
    )


def _url_error(url: str, failure: Failure) -> str:
    """What Go's `%#v` shows of the error of a request that had no answer."""
    match failure.__cause__:
        case ssl.SSLCertVerificationError():
            kind = "*tls.CertificateVerificationError"
        case ssl.SSLError() | OSError():
            kind = "*net.OpError"
        case _:
            kind = "*errors.errorString"
    return f'&url.Error{{Op:"Get", URL:{quoting.quote(url)}, Err:({kind})(0x{id(failure):x})}}'


def _container(pod: Object, name: str) -> str:
    spec = pod["spec"]
    names = [c["name"] for c in spec.get("containers") or []]
    initial = [c["name"] for c in spec.get("initContainers") or []]
    ephemeral = [c["name"] for c in spec.get("ephemeralContainers") or []]
    pod_name = pod["metadata"]["name"]
    if not name:
        if len(names) == 1 and not initial:
            return str(names[0])
        listed = f"choose one of: [{' '.join(names)}]"
        if initial:
            listed += f" or one of the init containers: [{' '.join(initial)}]"
        raise status.bad_request(f"a container name must be specified for pod {pod_name}, {listed}")
    if name not in (*names, *initial, *ephemeral):
        raise status.bad_request(f"container {name} is not valid for pod {pod_name}")
    return name


def _check_log_options(pod: str, query: Mapping[str, str]) -> None:
    """`ValidatePodLogOptions`. Raises `APIError`."""
    errors = []
    for name, least, why in (
        ("tailLines", 0, "must be greater than or equal to 0"),
        ("limitBytes", 1, "must be greater than 0"),
        ("sinceSeconds", 1, "must be greater than 0"),
    ):
        if not query.get(name):
            continue
        value = request_options.integer(query[name])
        if value < least:
            errors.append(invalid(name, value, why))
    if query.get("sinceTime"):
        try:
            scalars.time(query["sinceTime"])
        except ValueError as error:
            raise status.bad_request(str(error)) from error
    if query.get("sinceSeconds") and query.get("sinceTime"):
        why = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        errors.append(forbidden("[]", why))
    if errors:
        raise status.invalid_object("", "PodLogOptions", pod, errors)


def _refusal(code: int, text: str, resource: str, name: str) -> status.APIError:
    """What becomes of a kubelet's refusal (`GenericHttpResponseChecker`)."""
    if code == 500:
        return status.internal(text)
    if code == 400:
        return status.bad_request(text)
    return status.generic_response(code, text, resource, name)
