"""What goes through the API server to the kubelet of a node: logs, exec, attach, port-forward, and its API.

Mirrors `pkg/registry/core/pod/strategy.go` (where to) and `apimachinery/pkg/util/proxy` (how).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from labs.controlplane.http import Client, ConnectionFailed, Response
from labs.streaming import http as streaming
from labs.streaming.errors import RefusedError, StreamingError
from labs.streaming.http import Connection

from . import request_options, scalars, status
from .context import Context
from .proxying import forward, split_name
from .registry import Registry
from .resources import Resource, core

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

    def __init__(
        self, registry: Registry, context: ssl.SSLContext | None, address_types: Sequence[str]
    ) -> None:
        self._registry = registry
        self._context = context
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
        client = Client(place.host, place.port, context=self._context)
        body = _relay(client, f"{path}?{urlencode(query)}" if query else path, {"Accept": "*/*"})
        try:
            head = await anext(body)
        except ConnectionFailed as error:
            raise status.APIError(500, "", f'Get "{place.url(path)}": {error}') from error
        assert isinstance(head, tuple)
        code, headers = head
        if code != 200:
            text = b"".join([chunk async for chunk in body if isinstance(chunk, bytes)])
            raise _kubelet_refusal(code, text.decode("utf-8", "replace"), place.node)
        return Response(200, _chunks(body), {"Content-Type": headers.get("content-type", "text/plain")})

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
            server, answered = await streaming.pass_on(asked, place.url(path), tls=self._context)
        except RefusedError as refused:
            return Response(
                refused.code, str(refused).encode(), {"Content-Type": "text/plain; charset=utf-8"}
            )
        except (OSError, StreamingError) as error:
            why = f"error dialing backend: {_dial_error(place, error)}"
            raise status.APIError(500, "", why) from error

        async def join(client: Connection) -> None:
            await streaming.answer(client, server, answered)

        return Response(101, takeover=join)

    async def proxy(self, ctx: Context) -> Response:
        """`nodes/NAME/proxy/…`: the kubelet's own API."""
        scheme, name, port = split_name(ctx.target.name)
        place = await self._place(name)
        if port and port != str(place.port):
            return await forward(ctx, scheme or "http", place.host, int(port), None)
        return await forward(ctx, "https", place.host, place.port, self._context)

    async def _place(self, node_name: str) -> _Place:
        node = await self._registry.get(core("nodes"), "", node_name)
        state = node.get("status") or {}
        port = ((state.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT
        for kind in self._address_types:
            for address in state.get("addresses") or []:
                if address.get("type") == kind:
                    return _Place(node_name, address["address"], port)
        raise status.internal(
            f"no preferred addresses found; known addresses: {state.get('addresses') or []}"
        )


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


def _dial_error(place: _Place, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {place.host}:{place.port}: connect: connection refused"
    return str(error) or type(error).__name__


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
            errors.append(status.invalid(name, value, why))
    if query.get("sinceTime"):
        try:
            scalars.time(query["sinceTime"])
        except ValueError as error:
            raise status.bad_request(str(error)) from error
    if query.get("sinceSeconds") and query.get("sinceTime"):
        why = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        errors.append(status.forbidden_field("[]", why))
    if errors:
        raise status.invalid_object("", "PodLogOptions", pod, errors)


def _kubelet_refusal(code: int, text: str, node: str) -> status.APIError:
    if code == 404:
        return status.APIError(
            404, "NotFound", text.strip() or "the server could not find the requested resource"
        )
    if code == 400:
        return status.bad_request(text.strip())
    return status.APIError(code, "InternalError", f"{text.strip()} (from the kubelet of {node})")


async def _relay(
    client: Client, target: str, headers: Mapping[str, str]
) -> AsyncIterator[tuple[int, dict[str, str]] | bytes]:
    """First the head of the kubelet's answer, then its body as it comes."""
    try:
        async with client.stream("GET", target, headers=headers) as answer:
            yield answer.status, answer.headers
            async for chunk in answer.chunks():
                yield chunk
    finally:
        await client.close()


async def _chunks(body: AsyncIterator[tuple[int, dict[str, str]] | bytes]) -> AsyncIterator[bytes]:
    try:
        async for chunk in body:
            if isinstance(chunk, bytes):
                yield chunk
    except ConnectionFailed:
        return
    finally:
        await body.aclose()  # type: ignore[attr-defined]
