"""A request passed on to what runs in the cluster, below an object's `proxy` (`pkg/util/proxy`)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from labs.controlplane.http import Response
from labs.controlplane.nethttp import Failure, Pool

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
    pool = Pool(host, port, context if scheme == "https" else None)
    answer = relay(pool, request.method, path, headers, request.body)
    try:
        code, received = await anext(answer)
    except Failure as error:
        raise cannot_reach(error) from error
    kept = {name.title(): value for name, value in received.items() if name not in _NOT_PASSED}
    return Response(code, rest(answer), kept)


def cannot_reach(failure: Failure) -> status.APIError:
    """What a client is told when no answer came."""
    return status.unavailable(f"error trying to reach service: {failure}")


async def relay(
    pool: Pool, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> AsyncIterator[Any]:
    """First an answer's status and headers, then its body as it comes. Raises `Failure`."""
    async with pool.request(method, path, headers, body) as answer:
        yield answer.status, answer.headers
        async for chunk in answer.chunks():
            yield chunk
    pool.close()


async def rest(answer: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """The body of a relayed answer, of which the head was taken."""
    try:
        async for chunk in answer:
            yield chunk
    except Failure:
        return  # cut off, as by the server itself
    finally:
        await answer.aclose()  # type: ignore[attr-defined]
