"""Actions on objects that have a path of their own: binding, eviction, a namespace's finalizers, streams."""

from __future__ import annotations

from typing import Any

from labs.controlplane.http import Response
from labs.core.field import required

from . import codec, meta, proxying, status
from .context import Context
from .eviction import evict
from .kubelets import Kubelets
from .registry import Deletion, Preconditions, Registry
from .resources import Resource
from .token_requests import TokenRequests

Object = dict[str, Any]


def _success(code: int) -> Response:
    return codec.respond(
        code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}
    )


class Subresources:
    """The actions."""

    def __init__(self, registry: Registry, tokens: TokenRequests, kubelets: Kubelets) -> None:
        self._registry = registry
        self._tokens = tokens
        self._kubelets = kubelets

    async def serve(self, ctx: Context, resource: Resource) -> Response | None:
        """Answer if the request is for one of these; None when it is not."""
        action = (resource.plural, ctx.target.subresource, ctx.target.verb)
        match action:
            case ("pods", "binding", "create"):
                return await self._bind(ctx, resource)
            case ("pods", "eviction", "create"):
                return await self._evict(ctx, resource)
            case ("pods", "log", "get"):
                return await self._kubelets.log(ctx, resource)
            case ("pods", "exec" | "attach" | "portforward", _):
                return await self._kubelets.connect(ctx, resource)
            case ("pods", "proxy", _):
                return await proxying.to_pod(ctx, resource, self._registry)
            case ("nodes", "proxy", _):
                return await self._kubelets.proxy(ctx)
            case ("namespaces", "finalize", "update"):
                return await self._finalize(ctx, resource)
            case ("serviceaccounts", "token", "create"):
                return await self._tokens.create(ctx)
        return None

    async def _bind(self, ctx: Context, resource: Resource) -> Response:
        """The scheduler's decision: a pod gets its node."""
        binding = codec.read(ctx.request, "Binding", "io.k8s.api.core.v1.Binding")
        ctx.request_object = binding
        target = ctx.target
        node = (binding.get("target") or {}).get("name", "")
        if (binding.get("metadata") or {}).get("name", "") != target.name:
            raise status.bad_request("name in URL does not match name in Binding object")
        if not node:
            raise status.invalid_object("", "Binding", target.name, [required("target.name")])

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
        """A deletion that asks disruption budgets first."""
        eviction = codec.read(ctx.request, "Eviction", "io.k8s.api.policy.v1.Eviction")
        ctx.request_object = eviction
        target = ctx.target
        await self._registry.admission.evict(ctx)
        options = eviction.get("deleteOptions") or {}
        wanted = options.get("preconditions") or {}
        deletion = Deletion(
            options.get("gracePeriodSeconds"), Preconditions(wanted.get("uid"), wanted.get("resourceVersion"))
        )
        if options.get("dryRun"):
            ctx.request.query["dryRun"] = list(options["dryRun"])
        name = (eviction.get("metadata") or {}).get("name", "")
        if name != target.name:
            raise status.bad_request("name in URL does not match name in Eviction object")
        await evict(ctx, self._registry, resource, target.namespace, target.name, deletion)
        return _success(201)

    async def _finalize(self, ctx: Context, resource: Resource) -> Response:
        """Take finalizers off a namespace; the last one off lets it go."""
        wanted = codec.read(ctx.request, "Namespace", resource.schema)
        ctx.request_object = wanted
        if (name := (wanted.get("metadata") or {}).get("name", "")) != ctx.target.name:
            raise status.other_name(name, ctx.target.name)
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
