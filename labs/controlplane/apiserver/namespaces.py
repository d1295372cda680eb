"""What becomes of a namespace that is deleted: its contents go first, then its finalizer, then itself."""

from __future__ import annotations

import asyncio

from labs.controlplane import klog
from labs.controlplane.http import Peer, Request

from .context import Context
from .etcd import EtcdError
from .registry import Deletion, Registry
from .resources import RESOURCES, core
from .status import APIError
from .storage import Changed, Object
from .watching import Event, Hub

#: What went wrong, or was never told, is tried again after this.
RETRY_SECONDS = 30.0
RESTART_SECONDS = 1.0


class NamespaceController:
    """Empties namespaces that are going. In a full cluster the controller manager does this."""

    def __init__(self, registry: Registry, hub: Hub, ctx: Context) -> None:
        self._registry = registry
        self._hub = hub
        self._ctx = ctx

    async def run(self) -> None:
        """Follow the store, beginning with the namespaces that were going when this process began."""
        prefix = core("namespaces").key_prefix("")
        page = await self._registry.storage.list(prefix)
        going = {stored.object["metadata"]["name"] for stored in page.items if _is_going(stored.object)}
        async with self._hub.subscribe("/registry/", page.revision) as (past, subscription):
            due = going | {name for event in past for name in self._due(event, going)}
            while True:
                going |= due
                for name in due:
                    if await self._empty(name):
                        going.discard(name)
                event = await subscription.next(RETRY_SECONDS)
                due = set(going) if event is None else self._due(event, going)

    def _due(self, event: Event, going: set[str]) -> set[str]:
        """The namespaces that are worth a try after this change: one more that goes, or less in one."""
        if event.key.startswith(core("namespaces").key_prefix("")):
            namespace = event.after
            return {namespace["metadata"]["name"]} if namespace and _is_going(namespace) else set()
        return set() if not event.deleted else {name for name in going if f"/{name}/" in event.key}

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
            await asyncio.sleep(RESTART_SECONDS)


def own_request() -> Request:
    """A request nobody sent: what the controller does, it does as the server itself."""
    return Request("DELETE", "/", {}, b"", Peer(""))
