"""Actions on objects that have a path of their own: binding, eviction, a namespace's finalizers, logs."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from labs.controlplane.http import Client, ConnectionFailed, Response

from . import codec, meta, status
from .context import Context
from .registry import Deletion, Preconditions, Registry
from .resources import Resource, core
from .token_requests import TokenRequests

Object = dict[str, Any]
KUBELET_PORT = 10250
_LOG_OPTIONS = (
    *(
        "container",
        "follow",
        "previous",
        "timestamps",
        "tailLines",
        "limitBytes",
        "sinceSeconds",
        "sinceTime",
    ),
    *("insecureSkipTLSVerifyBackend", "stream"),
)


def _success(code: int) -> Response:
    return codec.respond(
        code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}
    )


class Subresources:
    """The actions."""

    def __init__(
        self,
        registry: Registry,
        tokens: TokenRequests,
        kubelet: ssl.SSLContext | None,
        address_types: tuple[str, ...],
    ) -> None:
        self._registry = registry
        self._tokens = tokens
        self._kubelet = kubelet
        self._address_types = address_types

    async def serve(self, ctx: Context, resource: Resource) -> Response | None:
        """Answer if the request is for one of these; None when it is not."""
        action = (resource.plural, ctx.target.subresource, ctx.target.verb)
        match action:
            case ("pods", "binding", "create"):
                return await self._bind(ctx, resource)
            case ("pods", "eviction", "create"):
                return await self._evict(ctx, resource)
            case ("pods", "log", "get"):
                return await self._log(ctx, resource)
            case ("namespaces", "finalize", "update"):
                return await self._finalize(ctx, resource)
            case ("serviceaccounts", "token", "create"):
                return await self._tokens.create(ctx)
        return None

    async def _bind(self, ctx: Context, resource: Resource) -> Response:
        """The scheduler's decision: a pod gets its node."""
        binding = codec.read_object(ctx.request)
        ctx.request_object = binding
        target = ctx.target
        node = (binding.get("target") or {}).get("name", "")
        if not node:
            raise status.invalid_object("", "Binding", target.name, [status.required("target.name")])

        def bind(pod: Object | None) -> Object:
            assert pod is not None
            if "deletionTimestamp" in pod["metadata"]:
                raise status.conflict(
                    "",
                    "pods/binding",
                    target.name,
                    f"pod {target.name} is being deleted, cannot be assigned to a host",
                )
            if pod["spec"].get("nodeName"):
                raise status.conflict(
                    "", "pods/binding", target.name,
                    f"pod {target.name} is already assigned to node \"{pod['spec']['nodeName']}\"",
                )  # fmt: skip
            pod["spec"]["nodeName"] = node
            annotations = (binding.get("metadata") or {}).get("annotations")
            if annotations:
                pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **annotations}
            state = pod.setdefault("status", {})
            others = [c for c in state.get("conditions") or [] if c.get("type") != "PodScheduled"]
            scheduled = {
                "type": "PodScheduled",
                "status": "True",
                "lastProbeTime": None,
                "lastTransitionTime": meta.now(),
            }
            state["conditions"] = [*others, scheduled]
            return pod

        await self._registry.update(
            ctx, resource, target.namespace, target.name, bind, subresource="binding", partial=True
        )
        return _success(201)

    async def _evict(self, ctx: Context, resource: Resource) -> Response:
        """A deletion that asks first; without disruption budgets nobody objects."""
        eviction = codec.read_object(ctx.request)
        ctx.request_object = eviction
        target = ctx.target
        await self._registry.admission.evict(ctx)
        options = eviction.get("deleteOptions") or {}
        wanted = options.get("preconditions") or {}
        deletion = Deletion(
            options.get("gracePeriodSeconds"), Preconditions(wanted.get("uid"), wanted.get("resourceVersion"))
        )
        await self._registry.delete(ctx, resource, target.namespace, target.name, deletion)
        return _success(201)

    async def _finalize(self, ctx: Context, resource: Resource) -> Response:
        """Take finalizers off a namespace; the last one off lets it go."""
        wanted = codec.read_object(ctx.request)
        ctx.request_object = wanted
        finalizers = (wanted.get("spec") or {}).get("finalizers") or []

        def finalize(namespace: Object | None) -> Object:
            assert namespace is not None
            namespace["spec"]["finalizers"] = finalizers
            return namespace

        obj, _ = await self._registry.update(
            ctx, resource, "", ctx.target.name, finalize, subresource="finalize", partial=True
        )
        ctx.response_object = obj
        return codec.respond(200, obj)

    async def _log(self, ctx: Context, resource: Resource) -> Response:
        """A container's log, from the kubelet of the pod's node."""
        target = ctx.target
        pod = await self._registry.get(resource, target.namespace, target.name)
        container = self._container(pod, ctx.request.argument("container"))
        node_name = pod["spec"].get("nodeName", "")
        if not node_name:
            return Response(200, b"", {"Content-Type": "text/plain"})
        node = await self._registry.get(core("nodes"), "", node_name)
        host, port = self._kubelet_address(node)
        query = {name: ctx.request.argument(name) for name in _LOG_OPTIONS if name in ctx.request.query}
        query.pop("container", None)
        query.pop("insecureSkipTLSVerifyBackend", None)
        path = "/containerLogs/" + "/".join(quote(p) for p in (target.namespace, target.name, container))
        client = Client(host, port, context=self._kubelet)
        body = _relay(client, f"{path}?{urlencode(query)}" if query else path, {"Accept": "*/*"})
        try:
            head = await anext(body)
        except ConnectionFailed as error:
            address = f"https://{host}:{port}{path}"
            raise status.APIError(500, "", f'Get "{address}": {error}') from error
        assert isinstance(head, tuple)
        code, headers = head
        if code != 200:
            text = b"".join([chunk async for chunk in body if isinstance(chunk, bytes)])
            raise _kubelet_refusal(code, text.decode("utf-8", "replace"), node_name)
        return Response(200, _chunks(body), {"Content-Type": headers.get("content-type", "text/plain")})

    def _container(self, pod: Object, name: str) -> str:
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

    def _kubelet_address(self, node: Object) -> tuple[str, int]:
        state = node.get("status") or {}
        port = ((state.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or KUBELET_PORT
        for kind in self._address_types:
            for address in state.get("addresses") or []:
                if address.get("type") == kind:
                    return address["address"], port
        raise status.internal(
            f"no preferred addresses found; known addresses: {state.get('addresses') or []}"
        )


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
