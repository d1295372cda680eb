"""A request passed on to what runs in the cluster, below an object's `proxy` (`pkg/util/proxy`)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from labs.controlplane.http import Client, ConnectionFailed, Response

from . import status
from .context import Context
from .registry import Registry
from .resources import Resource

#: Of one connection only, or for this server alone.
_NOT_PASSED = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "content-length", "authorization"),
    }
)


def split_name(name: str) -> tuple[str, str, str]:
    """`[SCHEME:]NAME[:PORT]` in its parts."""
    match name.split(":"):
        case [plain]:
            return "", plain, ""
        case [plain, port]:
            return "", plain, port
        case [("http" | "https" | "") as scheme, plain, port]:
            return scheme, plain, port
    raise status.bad_request(f'invalid proxy request "{name}"')


async def to_pod(ctx: Context, resource: Resource, registry: Registry) -> Response:
    """`pods/[SCHEME:]NAME[:PORT]/proxy/…`: without a port to the first that a container names."""
    scheme, name, port = split_name(ctx.target.name)
    pod = await registry.get(resource, ctx.target.namespace, name)
    address = (pod.get("status") or {}).get("podIP", "")
    if not address:
        raise status.bad_request("address not allowed")
    if not port:
        named = (p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports") or [])
        port = str(next(named, 443 if scheme == "https" else 80))
    if not port.isdigit():
        raise status.bad_request(f'invalid proxy request "{ctx.target.name}"')
    context = None
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await forward(ctx, scheme or "http", address, int(port), context)


async def forward(
    ctx: Context, scheme: str, host: str, port: int, context: ssl.SSLContext | None
) -> Response:
    """The answer of `host` to a request whose path there is what follows `proxy`."""
    request = ctx.request
    query = request.target.partition("?")[2]
    path = quote(f"/{ctx.target.rest}", safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")
    headers = {name: value for name, value in request.headers.items() if name not in _NOT_PASSED}
    client = Client(host, port, context=context if scheme == "https" else None)
    answer = _answer(client, request.method, path, request.body, headers)
    try:
        code, received = await anext(answer)
    except ConnectionFailed as error:
        raise status.unavailable(f"error trying to reach service: {error}") from error
    kept = {name.title(): value for name, value in received.items() if name not in _NOT_PASSED}
    return Response(code, _body(answer), kept)


async def _answer(
    client: Client, method: str, path: str, body: bytes, headers: dict[str, str]
) -> AsyncIterator[Any]:
    """First status and headers, then the body as it comes."""
    try:
        async with client.stream(method, path, body, headers) as answer:
            yield answer.status, answer.headers
            async for chunk in answer.chunks():
                yield chunk
    finally:
        await client.close()


async def _body(answer: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer:
            yield chunk
    except ConnectionFailed:
        return  # cut off, as by the server itself
    finally:
        await answer.aclose()  # type: ignore[attr-defined]
