"""What becomes of a namespace that is deleted: its contents go first, then its finalizer, then itself."""

from __future__ import annotations

import asyncio

from labs.controlplane.http import Peer, Request

from . import klog
from .context import Context
from .etcd import EtcdError
from .registry import Deletion, Registry
from .resources import RESOURCES, core
from .status import APIError
from .storage import Changed, Object
from .watching import Hub

RETRY_SECONDS = 1.0


class NamespaceController:
    """Empties namespaces that are going. In a full cluster the controller manager does this."""

    def __init__(self, registry: Registry, hub: Hub, ctx: Context) -> None:
        self._registry = registry
        self._hub = hub
        self._ctx = ctx

    async def run(self) -> None:
        """Follow the namespaces, those included that were going when this process began."""
        prefix = core("namespaces").key_prefix("")
        page = await self._registry.storage.list(prefix)
        async with self._hub.subscribe(prefix, page.revision) as (past, subscription):
            pending = {
                stored.object["metadata"]["name"] for stored in page.items if _is_going(stored.object)
            } | {event.after["metadata"]["name"] for event in past if event.after and _is_going(event.after)}
            while True:
                pending = {name for name in pending if not await self._empty(name)}
                event = await subscription.next(RETRY_SECONDS if pending else 3600)
                if event is not None and event.after is not None and _is_going(event.after):
                    pending.add(event.after["metadata"]["name"])

    async def _empty(self, name: str) -> bool:
        """One try to empty a namespace; True when it is gone."""
        left = 0
        try:
            for resource in RESOURCES:
                if not resource.namespaced or resource.group == "events.k8s.io":
                    continue
                page = await self._registry.storage.list(resource.key_prefix(name))
                for stored in page.items:
                    _, gone = await self._registry.delete(
                        self._ctx, resource, name, stored.object["metadata"]["name"], Deletion()
                    )
                    left += not gone
            return left == 0 and await self._finalize(name)
        except APIError as error:
            if error.code != 404:
                klog.error("namespace_controller.go:163", "Unhandled Error", err=error)
        except (EtcdError, Changed) as error:
            klog.error("namespace_controller.go:163", "Unhandled Error", err=error)
        return False

    async def _finalize(self, name: str) -> bool:
        storage = self._registry.storage
        found = await storage.get(core("namespaces").key("", name))
        if found is None:
            return True
        finalizers = [f for f in found.object["spec"].get("finalizers") or [] if f != "kubernetes"]
        obj: Object = {**found.object, "spec": {**found.object["spec"], "finalizers": finalizers}}
        if finalizers or obj["metadata"].get("finalizers"):
            await storage.update(found.key, obj, found.revision)
            return True
        await storage.delete(found.key, found.revision)
        return True


def _is_going(namespace: Object) -> bool:
    return "deletionTimestamp" in namespace["metadata"]


async def forever(controller: NamespaceController) -> None:
    """Run the controller; start it over when its watch was cut off."""
    while True:
        try:
            await controller.run()
        except (EOFError, APIError, EtcdError) as error:
            klog.warning("namespace_controller.go:187", "namespace controller starts over", err=error)
            await asyncio.sleep(RETRY_SECONDS)


def own_request() -> Request:
    """A request nobody sent: what the controller does, it does as the server itself."""
    return Request("DELETE", "/", {}, b"", Peer(""))
